#!/usr/bin/env python3
"""Writes src/quant/halves/half_types.inc: which operators of ai.onnx take float16 and bfloat16, from the schemas of
PyPI's onnx. A row for each operator and each version that changes the answer."""

import pathlib

import onnx

OUT = pathlib.Path(__file__).resolve().parents[1] / "src/quant/halves/half_types.inc"


OTHER_OUTPUTS = 1 << 30  # outputs but the first stay float32


# Operators that the schemas let take halves, and that had better not: a BitCast gives other bits; onnxruntime refuses the
# two others (the function that stands for MeanVarianceNormalization adds float32 constants).
NOT_HALF = {"BitCast", "MeanVarianceNormalization", "MelWeightMatrix"}
# Their other outputs have the type of an attribute, float32 by default.
BY_ATTRIBUTE = {"LayerNormalization"}


def takes(param, dtype):
    return f"tensor({dtype})" in param.types


def row(schema):
    """(float16, bfloat16): mask of the inputs that stay float32 (and OTHER_OUTPUTS), or -1 where the operator has no such form."""
    answer = []
    for dtype in ("float16", "bfloat16"):
        inputs = [p for p in schema.inputs if takes(p, "float")]
        outputs = [p for p in schema.outputs if takes(p, "float")]
        narrow = [p for p in inputs + outputs if takes(p, dtype)]
        others = [p for p in schema.outputs[1:] if takes(p, "float") and not takes(p, dtype)]
        first = schema.outputs[0] if schema.outputs else None
        if schema.name in NOT_HALF or not narrow or (first and takes(first, "float") and not takes(first, dtype)):
            answer.append(-1)
            continue
        mask = sum(1 << i for i, p in enumerate(schema.inputs) if takes(p, "float") and not takes(p, dtype))
        answer.append(mask | OTHER_OUTPUTS if others or schema.name in BY_ATTRIBUTE else mask)
    return tuple(answer)


def main():
    versions = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == "" and (schema.inputs or schema.outputs):
            versions.setdefault(schema.name, {})[schema.since_version] = schema
    lines = ["// Made by tools/make_half_types.py from the schemas of onnx " + onnx.__version__ + ".",
             "// operator, since, inputs that stay float32 in float16 form, in bfloat16 form (-1: there is none)"]
    for name in sorted(versions):
        if not any(takes(p, "float") for s in versions[name].values() for p in (*s.inputs, *s.outputs)):
            continue
        last = None
        for since in sorted(versions[name]):
            answer = row(versions[name][since])
            if answer != last:
                lines.append(f'TERSOR_HALF_TYPES("{name}", {since}, {answer[0]}, {answer[1]})')
                last = answer
    OUT.write_text("\n".join(lines) + "\n")
    print(len(lines) - 2, "rows")


if __name__ == "__main__":
    main()
