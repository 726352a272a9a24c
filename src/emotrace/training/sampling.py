"""Augmented batches, drawn from the feature store."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from emotrace.labels import LABELS
from emotrace.models.compact_network import BANDS, CLASSES, STRIDE, band_level, normalise
from emotrace.training import augment as aug
from emotrace.training.corpora import Store
from emotrace.training.recipe import Recipe


class Sampler:
    """Draws augmented batches from the store.

    Args:
        store: features of all clips.
        chosen: indices of the clips to draw from.
        recipe: see :class:`Recipe`.
        device: where the batches are made; on a GPU the features are copied there (about 1.1 GB).
    """

    def __init__(self, store: Store, chosen: Sequence[int], recipe: Recipe, device: str = "cpu") -> None:
        self.store, self.recipe, self.device = store, recipe, device
        self.frames = torch.from_numpy(store.frames).to(device)
        self.random = np.random.default_rng(recipe.seed)
        corpora: dict[str, dict[int, list[int]]] = {}
        speakers: dict[str, dict[int, list[int]]] = {}
        for i in chosen:
            clip = store.clips[i]
            corpora.setdefault(clip.corpus, {}).setdefault(clip.label, []).append(i)
            if clip.label != CLASSES - 1:
                speakers.setdefault(clip.speaker, {}).setdefault(clip.label, []).append(i)
        self.index = {name: {c: np.array(i) for c, i in by.items()} for name, by in corpora.items()}
        self.by_speaker = {name: {c: np.array(i) for c, i in by.items()} for name, by in speakers.items()}
        self.corpora = [c for c in recipe.weights if c in self.index]
        weight = np.array([recipe.weights[c] for c in self.corpora])
        self.weight = weight / weight.sum()
        self.clips_of = {s: np.concatenate(list(by.values())) for s, by in self.by_speaker.items()}
        self.speakers = list(self.clips_of)
        self.sounds = [i for by in corpora.values() for i in by.get(CLASSES - 1, [])]
        neutral = LABELS.index("neutral")
        self.voices = [i for c in ("nemo", "ravdess") for i in corpora.get(c, {}).get(neutral, [])]

    def _any(self, clips: Sequence[int] | NDArray[np.int64]) -> int:
        return int(clips[int(self.random.integers(len(clips)))])

    def _choose(self, n: int) -> list[int]:
        out = []
        for c in self.random.choice(len(self.corpora), n, p=self.weight):
            classes = self.index[self.corpora[c]]
            label = self._any(list(classes))
            out.append(self._any(classes[label]))
        return out

    def _partner(self, i: int) -> int:
        """A clip of the same speaker with another emotion; of any speaker if there is none."""
        clip = self.store.clips[i]
        by = self.by_speaker.get(clip.speaker, {})
        others = [label for label in by if label != clip.label]
        if not others:
            return self._choose(1)[0]
        return self._any(by[self._any(others)])

    def _crops(self, clips: Sequence[int], frames: int) -> Tensor:
        """Raw log-mels (n, frames, 2 * BANDS) from around the active parts; digital silence beyond a clip."""
        store, margin = self.store, 10
        first, last = store.active[clips].T
        begin = store.starts[clips]
        length = store.starts[np.add(clips, 1)] - begin
        spare = last - first - frames
        inside = first + self.random.integers(-margin, np.maximum(spare, 0) + margin + 1)
        around = last - frames + self.random.integers(0, np.maximum(-spare, 0) + 1)
        rows = np.where(spare > 0, inside, around)[:, None] + np.arange(frames)
        missing = torch.from_numpy((rows < 0) | (rows >= length[:, None])).to(self.device)
        index = torch.from_numpy(begin[:, None] + np.clip(rows, 0, length[:, None] - 1)).to(self.device)
        return self.frames[index].float().masked_fill(missing[..., None], -23.0)

    def _references(self, clips: Sequence[int]) -> Tensor:
        """Mean spectra (n, 2 * BANDS) of 2 to 12 clips of each clip's speaker; for sounds, of anybody."""
        out = []
        for i in clips:
            own = self.clips_of.get(self.store.clips[i].speaker)
            if own is None:
                own = self.clips_of[str(self.speakers[self.random.integers(len(self.speakers))])]
            chosen = own[self.random.integers(len(own), size=self.random.integers(2, 13))]
            out.append(self.store.spectra[chosen].mean(0))
        return torch.from_numpy(np.stack(out)).to(self.device)

    def _noise(self, speech: Tensor, frames: int) -> Tensor:
        """Noise spectra (n, frames, 2 * BANDS) for clips that are speech or not, (n,) booleans.

        Two thirds sounds, one third babble of three voices; no babble on sounds, or it would become
        ``unknown``.
        """
        n = len(speech)
        babble = speech.numpy() & (self.random.random(n) >= (2 / 3 if self.voices else 1.0))
        if not self.sounds:
            babble[:] = True
        out = torch.empty(n, frames, 2 * BANDS)
        if sounds := int(n - babble.sum()):
            chosen = [int(i) for i in self.random.choice(self.sounds, sounds)]
            out[torch.from_numpy(~babble)] = self._crops(chosen, frames)
        if voices := int(babble.sum()):
            chosen = [int(i) for i in self.random.choice(self.voices, 3 * voices)]
            level = torch.from_numpy(self.store.levels[chosen, :1]).to(self.device)
            crops = self._crops(chosen, frames) - level[..., None]
            out[torch.from_numpy(babble)] = torch.logsumexp(crops.reshape(voices, 3, frames, -1), 1)
        return out

    def batch(self, stitched: bool) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """One augmented batch, on the sampler's device.

        Returns:
            values (B, 2, T, 2 * BANDS), mask (B, T), utterance targets (B, 9), frame targets (B, T', 9),
            frame weights (B, T').
        """
        # On a CPU this context would only cost time: it slows every call of torch down.
        with nullcontext() if self.device == "cpu" else torch.device(self.device):
            return self._batch(stitched)

    def _batch(self, stitched: bool) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        recipe, n = self.recipe, self.recipe.batch
        low, high = recipe.crop
        frames = int(self.random.uniform(low, high) * 100)
        speed = torch.where(aug.chance(n, 0.8), aug.uniform(n, 0.85, 1.18), torch.ones(n))
        needed = int(frames * 1.18) + 3
        chosen = self._choose(n)
        x = self._crops(chosen, needed)
        level = torch.tensor(self.store.levels[chosen], device=self.device)
        labels = torch.tensor([self.store.clips[i].label for i in chosen])
        steps = -(-frames // STRIDE)
        frame_labels = functional_one_hot(labels)[:, None].expand(n, steps, CLASSES)
        if stitched:
            x, frame_labels = self._stitch(x, chosen, labels, frames, speed)
        reference = self._references(chosen)
        formants = torch.where(aug.chance(n, 0.8), aug.uniform(n, 0.84, 1.19), torch.ones(n))
        pitch = formants * torch.where(aug.chance(n, 0.7), aug.uniform(n, 0.88, 1.14), torch.ones(n))
        x = aug.warp(x, frames, speed, formants, pitch)
        still = reference[:, None].expand(n, 2, -1).contiguous()
        reference = aug.warp(still, 1, torch.ones(n), formants, pitch)[:, 0]
        x, reference = self._channel(x, reference, level, labels)
        has = (aug.chance(n, recipe.reference)).float()[:, None]
        reference = reference - band_level(reference)
        features = normalise(x, reference, has)
        values, mask = aug.mask_stripes(features.values), features.mask
        targets = frame_labels.mean(1)
        if not stitched and self.random.random() < 0.5:
            share = torch.tensor(self.random.beta(recipe.mixup, recipe.mixup, n), dtype=torch.float32)
            share = torch.maximum(share, 1 - share)
            other = torch.randperm(n)
            s = share[:, None, None]
            values = s[..., None] * values + (1 - s[..., None]) * values[other]
            mask = torch.maximum(mask, mask[other])
            targets = s[:, 0] * targets + (1 - s[:, 0]) * targets[other]
            frame_labels = s * frame_labels + (1 - s) * frame_labels[other]
        weight = nn.functional.max_pool1d(mask[:, None], STRIDE, STRIDE, ceil_mode=True)[:, 0]
        return values, mask, targets, frame_labels, weight

    def _stitch(
        self, x: Tensor, chosen: list[int], labels: Tensor, frames: int, speed: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Replace the end of each crop by another emotion of the speaker, from a random frame on."""
        n, needed, _ = x.shape
        partners = [self._partner(i) for i in chosen]
        y = self._crops(partners, needed)
        change = aug.uniform(n, 0.15, 0.85) * frames  # in frames after the speed change
        position = torch.arange(needed)[None]
        x = torch.where((position < change[:, None] * speed[:, None])[..., None], x, y)
        second = torch.tensor([self.store.clips[i].label for i in partners])
        steps = -(-frames // STRIDE)
        before = (torch.arange(steps)[None] * STRIDE + STRIDE / 2 < change[:, None])[..., None]
        return x, torch.where(
            before, functional_one_hot(labels)[:, None], functional_one_hot(second)[:, None]
        )

    def _channel(self, x: Tensor, reference: Tensor, level: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Room, noise, microphone and line."""
        n, frames, _ = x.shape
        reference = reference + level.repeat_interleave(BANDS, 1)
        where = torch.nonzero(aug.chance(n, 0.3))[:, 0]
        if len(where):
            x[where] = aug.reverberate(
                x[where], float(self.random.uniform(0.15, 0.8)), float(self.random.uniform(-3, 12))
            )
        where = torch.nonzero(aug.chance(n, self.recipe.noise))[:, 0]
        if len(where) and (self.sounds or self.voices):
            noise = self._noise((labels[where] != CLASSES - 1).cpu(), frames)
            x[where], mean = aug.add_noise(x[where], noise, aug.uniform(len(where), *self.recipe.snr_db))
            also = aug.chance(len(where), 0.7)
            reference[where[also]] = torch.logaddexp(reference[where[also]], mean[also])
        both = aug.equaliser(n, 4.0) * aug.chance(n, 0.6)[:, None]
        both = both + aug.telephone(n) * aug.chance(n, 0.15)[:, None]
        only_clip = aug.equaliser(n, 1.5) * aug.chance(n, 0.3)[:, None]
        x = x + (both + only_clip)[:, None]
        reference = reference + both
        halves = x.reshape(n, frames, 2, BANDS)  # each has its own scale, so its own floor
        depth = aug.LN_PER_DB * aug.uniform(n, 25, 65)[:, None, None, None]
        raised = torch.maximum(halves, halves.amax((1, 3), keepdim=True) - depth).flatten(2)
        x = torch.where(aug.chance(n, 0.3)[:, None, None], raised, x)
        return x, reference


def functional_one_hot(labels: Tensor) -> Tensor:
    """(B,) class indices -> (B, 9) float32."""
    return nn.functional.one_hot(labels, CLASSES).float()
