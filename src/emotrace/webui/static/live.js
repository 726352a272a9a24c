// The live page: the microphone's sound goes to /v1/stream, what it answers is drawn.
"use strict";
(() => {
  const part = (name) => document.getElementById(`em-live-${name}`);
  const fill = (text, ...values) => text.replace(/\{(\d)\}/g, (_, i) => values[Number(i)]);
  const MOST_WAITING = 1 << 20; // bytes that may wait to be sent, before sound is left out

  class Live {
    constructor(root) {
      this.root = root;
      const { words, labels, seconds } = JSON.parse(root.dataset.live);
      Object.assign(this, { words, labels, seconds, readings: [], now: 0, running: false });
      part("start").addEventListener("click", () => this.start());
      part("stop").addEventListener("click", () => this.stop());
      part("smooth").addEventListener("change", () => {
        this.show(this.readings[this.readings.length - 1]);
        this.draw();
      });
      new ResizeObserver(() => this.draw()).observe(part("curve"));
    }

    say(key, bad = false, ...values) {
      if (this.failed && bad === false) return; // what still comes after an error is no news
      const status = part("status");
      status.textContent = bad === null ? key : fill(this.words[key], ...values);
      status.classList.toggle("em-bad", Boolean(bad) || bad === null);
    }

    buttons(running) {
      this.running = running;
      part("start").disabled = running;
      part("stop").disabled = !running;
    }

    async start() {
      if (this.running) return;
      this.buttons(true);
      this.readings = [];
      this.now = 0;
      this.failed = false;
      this.media = null;
      part("segments").replaceChildren();
      this.show(null);
      this.say("opening");
      try {
        await this.open();
      } catch (problem) {
        this.close();
        this.say(this.media ? "lost" : window.emotraceWhy(problem), true);
      }
    }

    async open() {
      this.media = await navigator.mediaDevices.getUserMedia({
        audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false },
      });
      this.context = new AudioContext();
      if (this.context.sampleRate > 48000) {
        await this.context.close();
        this.context = new AudioContext({ sampleRate: 48000 });
      }
      await this.context.audioWorklet.addModule("/ui/static/microphone.js");
      const worklet = new AudioWorkletNode(this.context, "microphone", { numberOfOutputs: 0 });
      this.context.createMediaStreamSource(this.media).connect(worklet);
      worklet.port.onmessage = (event) => this.send(event.data);
      this.connect();
    }

    connect() {
      const scheme = location.protocol === "https:" ? "wss" : "ws";
      this.socket = new WebSocket(`${scheme}://${location.host}/v1/stream`);
      this.ready = false;
      this.ended = false;
      this.socket.onopen = () =>
        this.socket.send(JSON.stringify({ type: "start", sampling_rate: this.context.sampleRate, store: false }));
      this.socket.onmessage = (event) => this.take(JSON.parse(event.data));
      this.socket.onclose = () => {
        const lost = !this.ended && !this.failed;
        this.close();
        if (lost) this.say("lost", true);
        else if (!this.failed) this.say("ended", false, this.now.toFixed(0));
      };
    }

    send(buffer) {
      const samples = new Int16Array(buffer);
      let sum = 0;
      for (const sample of samples) sum += sample * sample;
      const level = 10 * Math.log10(sum / samples.length / 32768 ** 2 + 1e-9);
      part("level").value = Math.max(0, Math.min(1, (level + 60) / 60));
      if (!this.ready || this.ended || this.socket.bufferedAmount > MOST_WAITING) return;
      this.socket.send(buffer);
      this.now += samples.length / this.context.sampleRate;
      this.draw();
    }

    take(event) {
      switch (event.type) {
        case "session.started":
          this.ready = true;
          this.say("waiting");
          break;
        case "speech.started":
          this.say("speaking");
          break;
        case "emotion":
          this.readings.push(event);
          this.show(event);
          this.draw();
          break;
        case "speech.ended":
          this.say("waiting");
          this.readings.push(null);
          this.list(event);
          break;
        case "recognition":
          this.ended = true;
          break;
        case "error":
          if (event.code === "no-audio" || event.code === "no-speech") this.ended = true;
          else {
            this.failed = true;
            const name = event.code === "limit" ? "limit" : `error.${event.code}`; // of a stream, not of a file
            this.say(this.words[name] || this.words["error.other"], null);
          }
          break;
      }
    }

    stop() {
      part("stop").disabled = true;
      this.silence();
      if (this.socket && this.socket.readyState === WebSocket.OPEN) {
        this.say("ending");
        this.ended = true;
        this.socket.send(JSON.stringify({ type: "end" }));
      } else this.close();
    }

    silence() {
      if (this.media) for (const track of this.media.getTracks()) track.stop();
      if (this.context && this.context.state !== "closed") this.context.close();
      part("level").value = 0;
    }

    close() {
      this.silence();
      if (this.socket && this.socket.readyState <= WebSocket.OPEN) this.socket.close();
      this.buttons(false);
    }

    smooth(reading) {
      return part("smooth").checked && reading.smoothed;
    }

    chosen(reading) {
      return this.smooth(reading) || reading;
    }

    // A smoothed reading speaks of an earlier time.
    time(reading) {
      return reading.time - (this.smooth(reading) ? reading.latency_seconds : 0);
    }

    label(name) {
      return this.labels.find((label) => label.name === name);
    }

    show(reading) {
      const what = reading && this.label(this.chosen(reading).emotion);
      part("emoji").textContent = what ? what.emoji : "🎙️";
      part("emotion").textContent = what ? what.shown : "–";
      part("emotion").dataset.emotion = what ? what.name : "";
      part("sure").textContent = what ? `${Math.round(100 * this.chosen(reading).confidence)} %` : "";
      const late = what && this.smooth(reading) ? Math.round(1000 * reading.latency_seconds) : 0;
      part("latency").textContent = late ? fill(this.words.latency, late) : "";
    }

    list(event) {
      const result = event.recognition;
      const what = this.label(result.emotion);
      const line = document.createElement("li");
      line.style.setProperty("--em-colour", what.colour);
      const time = document.createElement("time");
      time.textContent = `${event.start.toFixed(1)}–${event.end.toFixed(1)} s`;
      const name = document.createElement("b");
      name.textContent = `${what.emoji} ${what.shown}`;
      const sure = document.createElement("span");
      sure.textContent = `${Math.round(100 * result.confidence)} %`;
      line.append(time, name, sure);
      part("segments").prepend(line);
    }

    draw() {
      const canvas = part("curve");
      const { width, height } = canvas.getBoundingClientRect();
      if (!width) return;
      const scale = window.devicePixelRatio || 1;
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
      const pen = canvas.getContext("2d");
      pen.scale(scale, scale);
      const from = Math.max(0, this.now - this.seconds);
      const frame = { left: 54, right: width - 12, top: 12, bottom: height - 26, from };
      this.axes(pen, frame);
      for (const label of this.labels) this.line(pen, frame, label);
    }

    x(frame, time) {
      return frame.left + ((time - frame.from) / this.seconds) * (frame.right - frame.left);
    }

    y(frame, share) {
      return frame.bottom - share * (frame.bottom - frame.top);
    }

    axes(pen, frame) {
      const ink = getComputedStyle(this.root);
      pen.strokeStyle = ink.getPropertyValue("--em-line");
      pen.fillStyle = ink.getPropertyValue("--em-faint");
      pen.font = `12px ${ink.fontFamily}`;
      pen.lineWidth = 1;
      pen.textAlign = "right";
      pen.textBaseline = "middle";
      for (const share of [0, 0.25, 0.5, 0.75, 1]) {
        const y = Math.round(this.y(frame, share)) + 0.5;
        pen.beginPath();
        pen.moveTo(frame.left, y);
        pen.lineTo(frame.right, y);
        pen.stroke();
        pen.fillText(`${100 * share} %`, frame.left - 8, y);
      }
      pen.textAlign = "center";
      pen.textBaseline = "top";
      for (let time = Math.ceil(frame.from / 5) * 5; time <= frame.from + this.seconds; time += 5) {
        if (this.x(frame, time) < frame.right - 8) pen.fillText(`${time} s`, this.x(frame, time), frame.bottom + 8);
      }
    }

    line(pen, frame, label) {
      pen.save();
      pen.beginPath();
      pen.rect(frame.left, frame.top - 4, frame.right - frame.left, frame.bottom - frame.top + 8);
      pen.clip();
      pen.strokeStyle = label.colour;
      pen.fillStyle = label.colour;
      pen.lineWidth = 2.5;
      pen.lineJoin = "round";
      pen.beginPath();
      let open = false;
      for (const reading of this.readings) {
        if (!reading || reading.time < frame.from - 5) {
          open = false;
          continue;
        }
        if (part("smooth").checked && !reading.smoothed) continue; // nothing is to be said yet
        const x = this.x(frame, this.time(reading));
        const y = this.y(frame, this.chosen(reading).scores[label.name]);
        if (open) pen.lineTo(x, y);
        else pen.moveTo(x, y);
        open = true;
      }
      pen.stroke();
      const last = this.readings[this.readings.length - 1];
      if (last && (last.smoothed || !part("smooth").checked)) {
        pen.beginPath();
        pen.arc(this.x(frame, this.time(last)), this.y(frame, this.chosen(last).scores[label.name]), 3.5, 0, 7);
        pen.fill();
      }
      pen.restore();
    }
  }

  const begin = () => {
    const root = document.getElementById("em-live");
    if (root && !root.dataset.begun) {
      root.dataset.begun = "1";
      const live = new Live(root);
      live.draw();
    }
  };
  new MutationObserver(begin).observe(document.documentElement, { childList: true, subtree: true });
  begin();
})();
