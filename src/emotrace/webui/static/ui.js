// Timelines: the sound plays from where they are clicked, and a line shows where it is. Errors, results, signing out.
"use strict";
(() => {
  const figure = (inside) => {
    const result = inside.closest(".em-result");
    return result && result.querySelector(".em-timeline");
  };
  const seek = (timeline, seconds) => {
    const audio = timeline && timeline.querySelector("audio");
    if (!audio) return;
    audio.currentTime = seconds;
    audio.play().catch(() => {});
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".em-seek");
    if (button) return seek(figure(button), Number(button.dataset.seek));
    const tracks = event.target.closest(".em-tracks");
    if (!tracks) return undefined;
    const box = tracks.getBoundingClientRect();
    const timeline = tracks.closest(".em-timeline");
    const share = (event.clientX - box.left) / box.width;
    return seek(timeline, share * Number(timeline.dataset.seconds));
  });
  const follow = (event) => {
    const timeline = event.target.closest && event.target.closest(".em-timeline");
    if (!timeline) return;
    const head = timeline.querySelector(".em-head");
    head.hidden = event.target.currentTime === 0;
    head.style.left = `${(100 * event.target.currentTime) / Number(timeline.dataset.seconds)}%`;
  };
  // What Gradio says of an error in English is said in the page's language.
  const problems = new Map(); // code by detail, which is all that Gradio passes on of some
  const ask = window.fetch;
  window.fetch = async (...request) => {
    const answer = await ask(...request);
    if (answer.headers.get("content-type") === "application/problem+json") {
      const { detail, code } = await answer.clone().json();
      problems.set(detail, code);
    }
    return answer;
  };
  const codeOf = (text) => {
    for (const [detail, code] of problems) if (text.includes(detail)) return code;
    const code = /"code":\s*"([\w-]+)"/.exec(text);
    if (code) return code[1];
    if (/^Value: /.test(text.trim())) return "not-found"; // the page is older than the server
    if (/attempting reconnection/i.test(text)) return "reconnect";
    if (/exceed the maximum/.test(text)) return "limit";
    if (/microphone|permission/i.test(text)) return "microphone";
    return /connection|network|fetch/i.test(text) ? "lost" : "other";
  };
  const said = () => JSON.parse(document.querySelector(".em-banner").dataset.said);
  new MutationObserver(() => {
    for (const text of document.querySelectorAll('[data-testid="toast-text"]:not([data-code])')) {
      text.dataset.code = codeOf(text.textContent);
      text.textContent = said()[text.dataset.code] || said().other;
      const title = text.closest('[data-testid="toast-body"]').querySelector(".toast-title");
      if (title) title.firstChild.textContent = `${said().error} `;
    }
  }).observe(document.documentElement, { childList: true, subtree: true });
  // What Gradio says to screen readers, always in English.
  const named = () => {
    const names = Object.entries(said().names);
    for (const each of document.querySelectorAll(":is(#em-audio, #em-files) [aria-label]")) {
      const known = names.find(([english]) => each.ariaLabel.startsWith(english));
      if (known && each.ariaLabel !== known[1]) each.ariaLabel = known[1];
    }
  };
  const spoken = { attributes: true, attributeFilter: ["aria-label"], childList: true, subtree: true };
  const tabs = () => document.getElementById("em-tabs");
  const begun = new MutationObserver(() => {
    if (!tabs() || !document.querySelector(".em-banner")) return;
    begun.disconnect();
    new MutationObserver(named).observe(tabs(), spoken);
    named();
  });
  begun.observe(document.documentElement, { childList: true, subtree: true });
  // A result that has just come is told to screen readers, and brought into view where it is not.
  new MutationObserver(() => {
    for (const each of document.querySelectorAll(":is(.em-main, .em-done):not([data-told])")) {
      each.dataset.told = "1";
      const parts = [...each.querySelectorAll(".em-name, .em-sure, .em-badge, .em-source")];
      const text = parts.map((part) => part.textContent).join(", ") || each.textContent;
      document.getElementById("em-told").textContent = text;
      const { top } = each.getBoundingClientRect();
      if (top < 0 || top > 0.8 * innerHeight) each.scrollIntoView();
    }
  }).observe(document.documentElement, { childList: true, subtree: true });
  const caller = document.querySelector('meta[name="emotrace-caller"]');
  const watch = new MutationObserver(() => {
    const banner = document.querySelector(".em-banner");
    if (!banner) return;
    watch.disconnect();
    const form = document.createElement("form");
    form.method = "post";
    form.action = "/sign-out";
    form.className = "em-leave";
    const name = document.createElement("span");
    name.textContent = caller.content;
    const button = document.createElement("button");
    button.className = "em-switch";
    button.textContent = said().leave;
    form.append(name, button);
    banner.append(form);
  });
  if (caller) watch.observe(document.documentElement, { childList: true, subtree: true });
  // Gradio opens a list again when it is left by the tabulator.
  const leave = (event) => {
    if (event.key === "Tab" && event.target.role === "combobox") event.stopImmediatePropagation();
  };
  window.addEventListener("keydown", leave, true);
  // A microphone that cannot be had: Gradio's recorder says nothing of it.
  const reasons = { NotFoundError: "missing", NotReadableError: "taken" };
  const why = (problem) => {
    if (!window.isSecureContext || !navigator.mediaDevices) return "insecure";
    return reasons[problem.name] || "denied";
  };
  window.emotraceWhy = why;
  const explain = (problem) => {
    const recorder = document.getElementById("em-audio");
    document.getElementById("em-unheard")?.remove();
    if (!problem || !recorder?.offsetParent) return;
    const text = document.createElement("p");
    Object.assign(text, { id: "em-unheard", className: "em-error", role: "alert" });
    text.textContent = said().microphones[why(problem)];
    recorder.after(text);
  };
  const media = navigator.mediaDevices;
  if (media) {
    const open = media.getUserMedia.bind(media);
    media.getUserMedia = async (...wanted) => {
      try {
        const stream = await open(...wanted);
        explain(null);
        return stream;
      } catch (problem) {
        explain(problem);
        throw problem;
      }
    };
  } else
    document.addEventListener("click", (event) => {
      if (event.target.closest("#em-audio .record-button")) explain(new Error());
    });
  // Each tab has an address: reloading, going back and switching the language stay on it.
  const tab = (id) => document.querySelector(`[role="tab"][data-tab-id="${CSS.escape(id)}"]`);
  const go = () => {
    const wanted = tab(location.hash.slice(1) || "analyse");
    if (wanted && wanted.ariaSelected !== "true") wanted.click();
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.em-switch");
    if (link) link.hash = location.hash;
    const clicked = event.target.closest('[role="tab"][data-tab-id]');
    const id = clicked && clicked.dataset.tabId;
    if (clicked && id !== (location.hash.slice(1) || "analyse")) location.hash = id;
  });
  window.addEventListener("hashchange", () => {
    sessionStorage.setItem("emotrace-tab", location.hash);
    go();
  });
  if (!location.hash && /\/sign-in(\?|$)/.test(document.referrer)) location.hash = sessionStorage.getItem("emotrace-tab") || "";
  const first = new MutationObserver(() => {
    if (!tab("analyse")) return;
    first.disconnect();
    go();
  });
  if (location.hash) first.observe(document.documentElement, { childList: true, subtree: true });
  for (const name of ["timeupdate", "seeked"]) document.addEventListener(name, follow, true);
})();
