"""A small writer of ONNX graphs: operators as calls, large weights in a file beside the graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotrace.errors import MissingExtraError

OPSET = 20
MICROSOFT = "com.microsoft"
"""Domain of ONNX Runtime's own operators."""

IR_VERSION = 10
LARGE = 1024
"""Bytes from which on an array goes into the file beside the graph."""

ALIGNMENT = 4096
"""Of an array in that file, so that it can be mapped."""


@dataclass
class Scan:
    """Operators that run once for each slice.

    Attributes:
        slices: names of the slices, by the names that were given.
        value: what a slice gives, float32; set inside.
        shape: of that value; set inside.
        stacked: the values of all slices along a new first axis; there afterwards.
    """

    slices: dict[str, str]
    value: str = ""
    shape: Sequence[str | int] = ()
    stacked: str = ""


class Writer:
    """Collects operators and constants; a call adds an operator and returns the name of its output.

    Raises:
        MissingExtraError: onnx is not installed.

    >>> g = Writer()
    >>> x = g.input("x", np.float32, ["N"])
    >>> g.output(g("Mul", x, g.floats(2)), "y", np.float32, ["N"])
    """

    def __init__(self) -> None:
        try:
            import onnx
        except ImportError as error:
            raise MissingExtraError(
                "writing an ONNX graph needs onnx, which is not installed; pip install 'emotrace[convert]'"
            ) from error
        self._onnx = onnx
        self._nodes: list[Any] = []
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._constants: dict[str, NDArray[Any]] = {}
        self._count = 0

    def __call__(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add an operator with one output.

        Args:
            operator: its name.
            *inputs: names of values; an empty one is left out.
            domain: of the operator.
            **attributes: of the operator.

        Returns:
            The name of its output.
        """
        return self.several(1, operator, *inputs, domain=domain, **attributes)[0]

    def several(
        self, outputs: int, operator: str, *inputs: str, domain: str = "", **attributes: Any
    ) -> list[str]:
        """Add an operator with several outputs, and return their names."""
        names = [self._new(operator.lower()) for _ in range(outputs)]
        node = self._onnx.helper.make_node(operator, list(inputs), names, domain=domain, **attributes)
        self._nodes.append(node)
        return names

    def _new(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._count}"

    def add(self, a: str, b: str) -> str:
        """Sum of two values."""
        return self("Add", a, b)

    def fused_matmul(self, a: str, b: str, **attributes: Any) -> str:
        """Product of matrices that need not lie as a product wants them."""
        return self("FusedMatMul", a, b, domain=MICROSOFT, **attributes)

    def const(self, array: NDArray[Any], name: str) -> str:
        """A constant under a name.

        Raises:
            ValueError: another one has the name.
        """
        known = self._constants.setdefault(name, array)
        if known is not array and not np.array_equal(known, array):
            raise ValueError(f"two different constants are called {name!r}")
        return name

    def ints(self, *values: int) -> str:
        """A constant int64 (n,)."""
        return self.const(np.array(values, np.int64), "ints_" + "_".join(map(str, values)))

    def floats(self, *values: float) -> str:
        """A constant float32 (n,)."""
        return self.const(np.array(values, np.float32), "floats_" + "_".join(map(str, values)))

    def scalar(self, value: float) -> str:
        """A constant without axes, int64 or float32 like the value."""
        kind = np.int64 if isinstance(value, int) else np.float32
        return self.const(np.array(value, kind), f"scalar_{value}")

    def _info(self, name: str, kind: type, shape: Sequence[str | int]) -> Any:
        number = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        return self._onnx.helper.make_tensor_value_info(name, number, shape)

    def input(self, name: str, kind: type, shape: Sequence[str | int]) -> str:
        """An input of the graph."""
        self._inputs.append(self._info(name, kind, shape))
        return name

    def output(self, value: str, name: str, kind: type, shape: Sequence[str | int]) -> None:
        """Make a value an output of the graph."""
        self._nodes.append(self._onnx.helper.make_node("Identity", [value], [name]))
        self._outputs.append(self._info(name, kind, shape))

    @contextmanager
    def scan(self, **sequences: tuple[str, Sequence[str | int]]) -> Iterator[Scan]:
        """Operators added inside run once for each slice of float32 sequences along their first axis.

        Args:
            **sequences: the sequence and the shape of a slice, under the name that the slice gets.
        """
        helper, outer = self._onnx.helper, self._nodes
        scan = Scan({name: self._new(name) for name in sequences})
        self._nodes = []
        yield scan
        body = helper.make_graph(
            self._nodes,
            "piece",
            [self._info(scan.slices[n], np.float32, shape) for n, (_, shape) in sequences.items()],
            [self._info(scan.value, np.float32, scan.shape)],
        )
        self._nodes = outer
        scan.stacked = self(
            "Scan", *[s for s, _ in sequences.values()], body=body, num_scan_inputs=len(sequences)
        )

    def write(self, folder: Path, name: str) -> list[str]:
        """Write the graph and the file with its large constants.

        Args:
            folder: where they go; it is there.
            name: of the graph's file.

        Returns:
            Names of the files, the graph first.
        """
        helper, data = self._onnx.helper, f"{name}.data"
        with (folder / data).open("wb") as file:
            tensors = [self._tensor(key, array, file, data) for key, array in self._constants.items()]
        graph = helper.make_graph(self._nodes, "emotion2vec", self._inputs, self._outputs, tensors)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(
            graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="emotrace"
        )
        (folder / name).write_bytes(model.SerializeToString())
        return [name, data]

    def _tensor(self, name: str, array: NDArray[Any], file: Any, location: str) -> Any:
        array = np.ascontiguousarray(array)
        if array.nbytes < LARGE:
            return self._onnx.numpy_helper.from_array(array, name)
        file.write(bytes(-file.tell() % ALIGNMENT))
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        tensor = self._onnx.TensorProto(
            name=name, data_type=kind, dims=array.shape, data_location=self._onnx.TensorProto.EXTERNAL
        )
        where = {"location": location, "offset": file.tell(), "length": array.nbytes}
        for key, value in where.items():
            tensor.external_data.add(key=key, value=str(value))
        file.write(array.data)
        return tensor
