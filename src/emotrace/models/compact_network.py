"""The compact network: waveform in, nine emotions out, one file, torch.

Only training and export need it; at run time the exported ONNX graph does the same.

Front end (:class:`FrontEnd`): every 10 ms two log power spectra of 80 bands each. The mel spectrum (25 ms
frames, Slaney bands, 50 to 7600 Hz) shows formants and timbre; the pitch spectrum (64 ms frames, 20 bands an
octave, 55 to 880 Hz) resolves the harmonics of low voices, which the mel spectrum blurs. Floor 65 dB under
the loudest band of the clip. What is louder than 35 dB under the 98th percentile of the frame level is
active; everything before the first and after the last active frame is masked. Normalisation: the mean level
is removed (so that gain changes nothing), then the mean spectrum of the clip itself (first channel) and of
the speaker (second channel; the clip's own again where no speaker reference is given).

Network (:class:`Crnn`): four 2-D convolutions for each spectrum, two bidirectional GRU layers, attentive
statistics pooling. Sources: the log-mel CRNN is the usual one of sound-event detection (Cakir et al. 2017,
arXiv 1702.06286); attentive statistics pooling is Okabe et al. 2018, arXiv 1803.10963.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

BANDS = 80  # of each of the two spectra
FFT = 512
FRAME = 400  # 25 ms at 16 kHz
PITCH_FRAME = 1024  # 64 ms
PITCH_LOW_HZ = 55.0
PITCH_BANDS_PER_OCTAVE = 20
HOP = 160  # 10 ms
STRIDE = 4  # log-mel frames per output frame: 40 ms
FLOOR = 65 * np.log(10) / 10  # natural-log power units
ACTIVE = 35 * np.log(10) / 10
DEEPEST = 26.0  # natural-log power units under the peak: floor of a speaker's spectrum
TINY = 1e-13  # power of nothing
SCALE = 2.5  # natural-log power units that become 1
CLASSES = 9


def mel_filters(low_hz: float = 50.0, high_hz: float = 7600.0, rate: int = 16_000) -> NDArray[np.float32]:
    """Triangular Slaney mel filters of unit area.

    Args:
        low_hz: lower edge of the first band in Hz.
        high_hz: upper edge of the last band in Hz.
        rate: sampling rate in Hz.

    Returns:
        float32 (FFT // 2 + 1, BANDS).

    >>> mel_filters().shape
    (257, 80)
    """

    def to_mel(hz: float) -> float:
        return hz * 3 / 200 if hz < 1000 else 15 + 27 * float(np.log(hz / 1000) / np.log(6.4))

    mel = np.linspace(to_mel(low_hz), to_mel(high_hz), BANDS + 2)
    hz = np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))
    bins = np.linspace(0, rate / 2, FFT // 2 + 1)[:, None]
    left, centre, right = hz[:-2], hz[1:-1], hz[2:]
    rise, fall = (bins - left) / (centre - left), (right - bins) / (right - centre)
    triangles = np.maximum(0, np.minimum(rise, fall)) * 2 / (right - left)
    return np.asarray(triangles, np.float32)


def pitch_hz() -> NDArray[np.float64]:
    """Centre frequencies in Hz of the pitch spectrum, (BANDS,)."""
    return PITCH_LOW_HZ * 2.0 ** (np.arange(BANDS) / PITCH_BANDS_PER_OCTAVE)


def _kernels(size: int, cycles_per_sample: NDArray[np.float64]) -> Tensor:
    """Windowed cosines, then windowed sines, (2 * frequencies, 1, size), for a convolution."""
    window = np.hanning(size + 1)[:size]
    angle = 2 * np.pi * ((cycles_per_sample[:, None] * np.arange(size)) % 1.0)
    kernels = np.concatenate([np.cos(angle) * window, np.sin(angle) * window])
    return torch.tensor(kernels[:, None], dtype=torch.float32)


class FrontEnd(nn.Module):
    """Waveform (B, N) -> mel and pitch log power spectra side by side (B, T, 2 * BANDS), T = N // HOP.

    The frame of index t is centred on sample HOP * t + HOP / 2; zeros stand beyond both ends.
    """

    mel_kernels: Tensor
    pitch_kernels: Tensor
    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        bins = np.arange(FFT // 2 + 1) / FFT
        self.register_buffer("mel_kernels", _kernels(FRAME, bins), persistent=False)
        self.register_buffer("pitch_kernels", _kernels(PITCH_FRAME, pitch_hz() / 16_000), persistent=False)
        self.register_buffer("filters", torch.tensor(mel_filters()), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        """See the class."""
        power = self._power(waveform, self.mel_kernels)  # B, T, 257
        pitch = self._power(waveform, self.pitch_kernels)  # B, T, 80
        return torch.log(torch.cat([power @ self.filters, pitch], 2) + TINY)  # B, T, 160

    @staticmethod
    def _power(waveform: Tensor, kernels: Tensor) -> Tensor:
        pad = (kernels.shape[2] - HOP) // 2
        parts = nn.functional.conv1d(nn.functional.pad(waveform[:, None], (pad, pad)), kernels, stride=HOP)
        half = kernels.shape[0] // 2
        return (parts[:, :half] ** 2 + parts[:, half:] ** 2).transpose(1, 2)


class Features(NamedTuple):
    """Normalised input of the network.

    Attributes:
        values: (B, 2, T, 2 * BANDS); 0 where masked.
        mask: (B, T), 1 between the first and the last active frame.
        spectrum: (B, 2 * BANDS), mean over active frames, level removed: the clip's part of a speaker
            reference. Its floor lies deeper than that of ``values``.
        active: (B, T), 1 where active.
    """

    values: Tensor
    mask: Tensor
    spectrum: Tensor
    active: Tensor


def activity(spectra: Tensor) -> tuple[Tensor, Tensor]:
    """Which frames are active, and which lie between the first and the last active one.

    Args:
        spectra: (B, T, 2 * BANDS).

    Returns:
        Two float tensors (B, T) of zeros and ones.
    """
    level = torch.logsumexp(spectra[:, :, :BANDS], dim=2)
    # The 98th percentile as one of the sorted values: unlike a quantile it exists in ONNX.
    ordered = torch.sort(level, dim=1, descending=True).values
    loud = ordered[:, level.shape[1] // 50].unsqueeze(1)
    active = (level > loud - ACTIVE).float()
    so_far = torch.cumsum(active, 1)
    inside = (so_far > 0) & (so_far - active < active.sum(1, keepdim=True))
    return active, inside.float()


def mean_spectrum(spectra: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
    """Mean over active frames, and the level of each half spread over its bands; both (B, 2 * BANDS)."""
    mean = (spectra * active[:, :, None]).sum(1) / active.sum(1, keepdim=True)
    return mean, band_level(mean)


def band_level(spectrum: Tensor) -> Tensor:
    """Mean of the mel half and of the pitch half, each spread over its bands; (B, 2 * BANDS)."""
    halves = spectrum.reshape(-1, 2, BANDS).mean(2, keepdim=True)
    return halves.expand(-1, 2, BANDS).flatten(1)


def normalise(spectra: Tensor, reference: Tensor, has_reference: Tensor) -> Features:
    """Level, spectrum and speaker removed; see the module's docstring.

    Args:
        spectra: (B, T, 2 * BANDS).
        reference: (B, 2 * BANDS), the speaker's mean spectrum, level removed; ignored where there is none.
        has_reference: (B, 1), 1 or 0.
    """
    halves = spectra.reshape(*spectra.shape[:2], 2, BANDS)
    peak = torch.amax(halves, dim=(1, 3), keepdim=True)
    active, mask = activity(spectra)
    deep, deep_level = mean_spectrum(torch.maximum(halves, peak - DEEPEST).flatten(2), active)
    spectra = torch.maximum(halves, peak - FLOOR).flatten(2)
    mean, level = mean_spectrum(spectra, active)
    spectrum = mean - level
    speaker = has_reference * reference + (1 - has_reference) * spectrum
    values = torch.stack([spectra - mean[:, None], spectra - (speaker + level)[:, None]], dim=1)
    return Features(values / SCALE * mask[:, None, :, None], mask, deep - deep_level, active)


class Output(NamedTuple):
    """What the network says.

    Attributes:
        logits: (B, 9), of the whole clip.
        frame_logits: (B, ceil(T / 4), 9).
        embedding: (B, D).
        frames: (B, ceil(T / 4), D / 2), frame embeddings.
    """

    logits: Tensor
    frame_logits: Tensor
    embedding: Tensor
    frames: Tensor


def _convolutions(channels: tuple[int, ...]) -> nn.Sequential:
    """(B, 2, T, BANDS) -> (B, channels[-1], T / 4, BANDS / 16)."""
    layers: list[nn.Module] = []
    previous = 2
    for c, stride in zip(channels, [(2, 2), (2, 2), (1, 2), (1, 2)], strict=True):
        layers += [nn.Conv2d(previous, c, 3, stride, 1, bias=False), nn.BatchNorm2d(c), nn.ReLU()]
        previous = c
    return nn.Sequential(*layers)


class Crnn(nn.Module):
    """Normalised spectra (B, 2, T, 2 * BANDS) and mask (B, T) -> :class:`Output`.

    Args:
        mel_channels: of the four convolutions over the mel spectrum.
        pitch_channels: of the four convolutions over the pitch spectrum.
        width: of the projection before the recurrent layers.
        hidden: of one direction of a recurrent layer.
        dropout: in training.
    """

    def __init__(
        self,
        mel_channels: tuple[int, ...] = (24, 48, 64, 64),
        pitch_channels: tuple[int, ...] = (16, 32, 32, 32),
        width: int = 192,
        hidden: int = 128,
        dropout: float = 0.25,
    ) -> None:
        super().__init__()
        self.mel = _convolutions(mel_channels)
        self.pitch = _convolutions(pitch_channels)
        self.project = nn.Linear((mel_channels[-1] + pitch_channels[-1]) * BANDS // 16, width)
        self.gru = nn.GRU(width, hidden, 2, batch_first=True, bidirectional=True, dropout=dropout)
        self.attention = nn.Sequential(nn.Linear(2 * hidden, 64), nn.Tanh(), nn.Linear(64, 1))
        self.head = nn.Linear(4 * hidden, CLASSES)
        self.frame_head = nn.Linear(2 * hidden, CLASSES)
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor, mask: Tensor) -> Output:
        """See the class."""
        mel, pitch = values[..., :BANDS], values[..., BANDS:]
        x = torch.cat([self.mel(mel), self.pitch(pitch)], 1)  # B, C, T / 4, 5
        x = x.transpose(1, 2).flatten(2)  # B, T / 4, C * 5
        x = self.dropout(torch.relu(self.project(x)))
        frames, _ = self.gru(x)  # B, T / 4, 2 * hidden
        frames = frames.float()
        mask = nn.functional.max_pool1d(mask[:, None], STRIDE, STRIDE, ceil_mode=True)[:, 0]
        score = self.attention(frames).float()[..., 0] - 1e4 * (1 - mask)
        weight = torch.softmax(score, 1)[..., None]  # B, T / 4, 1
        mean = (weight * frames).sum(1)
        deviation = torch.sqrt(((weight * frames**2).sum(1) - mean**2).clamp(min=1e-5))
        embedding = torch.cat([mean, deviation], 1)
        return Output(
            self.head(self.dropout(embedding)), self.frame_head(self.dropout(frames)), embedding, frames
        )
