"""Where graphs say that their weights lie, however deep in them."""

from __future__ import annotations

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from emotrace.models import registry
from emotrace.models.external_data import locations


def elsewhere(name: str) -> TensorProto:
    tensor = TensorProto(name=name, dims=[4], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    for key, value in (("offset", "0"), ("location", f"{name}.bin"), ("length", "16")):
        tensor.external_data.add(key=key, value=value)
    return tensor


def graph(name: str, *nodes: onnx.NodeProto) -> onnx.GraphProto:
    return helper.make_graph(nodes, name, [], [], initializer=[elsewhere(name)])


def model() -> onnx.ModelProto:
    """Tensors in every place that may hold one."""
    sparse = onnx.SparseTensorProto(values=elsewhere("values"), indices=elsewhere("indices"))
    inner = graph("inner", helper.make_node("Constant", [], ["x"], value=elsewhere("constant")))
    branch = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=graph("else"))
    many = helper.make_node("Own", [], ["z"], domain="own", values=[elsewhere("listed")])
    graphs = helper.make_node("Own", [], ["w"], domain="own", graphs=[graph("listed graph")])
    sparse_node = helper.make_node("Constant", [], ["v"], sparse_value=sparse)
    outer = graph("outer", branch, many, graphs, sparse_node)
    outer.sparse_initializer.add(values=elsewhere("sparse"), indices=elsewhere("sparse indices"))
    body = [helper.make_node("Constant", [], ["u"], value=elsewhere("function"))]
    function = helper.make_function("own", "F", [], ["u"], body, [helper.make_opsetid("", 17)])
    made = helper.make_model(outer, functions=[function])
    made.training_info.add(algorithm=graph("algorithm"), initialization=graph("initialization"))
    return made


NAMES = {
    *("constant", "inner", "else", "listed", "listed graph", "values", "indices", "outer", "sparse"),
    *("sparse indices", "function", "algorithm", "initialization"),
}


def test_every_place_is_looked_at() -> None:
    assert locations(model().SerializeToString()) == {f"{name}.bin" for name in NAMES}


def test_our_own_model_has_its_weights_inside() -> None:
    package = registry.find("compact")
    assert locations(package.file(package.card.graphs["fp32"])) == set()


def test_the_last_of_two_counts_and_the_order_of_an_entry_does_not() -> None:
    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    entry = field(2, b"first") + field(2, b"../last") + field(1, b"offset") + field(1, b"location")
    assert locations(field(7, field(5, field(13, entry)))) == {"../last"}


@given(st.data())
def test_any_bytes_are_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(model().SerializeToString())
    for _ in range(data.draw(st.integers(0, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        found = locations(cut)
    except ValueError as error:
        assert "expected an ONNX file" in str(error)
    else:
        assert all(isinstance(name, str) for name in found)


@pytest.mark.parametrize("content", [b"\x3a", b"\x3a\x05ab", b"\x3b", b"\xff" * 20, b"\x80" * 50])
def test_what_is_no_onnx_file(content: bytes) -> None:
    with pytest.raises(ValueError, match="expected an ONNX file"):
        locations(content)
