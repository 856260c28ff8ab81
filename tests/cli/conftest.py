"""What several tests of the command need."""

import pytest

from support import hard_network


@pytest.fixture(scope="session")
def hard(tmp_path_factory):
    """The network that 8 bits spoil, and the names of the layers that do it."""
    path = tmp_path_factory.mktemp("hard") / "hard.onnx"
    return path, hard_network.write(path)
