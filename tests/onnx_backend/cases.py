"""The test cases of PyPI onnx, written out as the package does it: a folder each with model.onnx and
test_data_set_<n>/{input,output}_<m>.pb."""

import pathlib

import onnx
from onnx import TensorProto, numpy_helper
from onnx.backend.test.case.node import collect_testcases
from onnx.backend.test.case.model import collect_testcases as collect_model_testcases

PACKAGE_DATA = pathlib.Path(onnx.__file__).parent / "backend" / "test" / "data"


def _value_bytes(value, info):
    kind = info.type.WhichOneof("value")
    if isinstance(value, TensorProto):
        return value.SerializeToString()
    make = {
        "map_type": getattr(numpy_helper, "from_dict", None),
        "sequence_type": numpy_helper.from_list,
        "optional_type": numpy_helper.from_optional,
    }.get(kind, numpy_helper.from_array)
    return make(value, info.name).SerializeToString()


def write_case(case, folder):
    """Writes one case; returns its folder."""
    folder = pathlib.Path(folder) / case.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(case.model.SerializeToString())
    for n, (inputs, outputs) in enumerate(case.data_sets or []):
        data = folder / f"test_data_set_{n}"
        data.mkdir(exist_ok=True)
        for values, infos, stem in ((inputs, case.model.graph.input, "input"),
                                    (outputs, case.model.graph.output, "output")):
            for i, value in enumerate(values):
                (data / f"{stem}_{i}.pb").write_bytes(_value_bytes(value, infos[i]))
    return folder


def node_cases():
    return collect_testcases(None)


def model_cases():
    """Cases whose model and data the package makes itself (no download)."""
    return [case for case in collect_model_testcases() if case.model is not None]


def stored_models():
    """Models that the package carries as files."""
    return sorted(PACKAGE_DATA.rglob("*.onnx"))
