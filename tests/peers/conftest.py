"""The peers' environment: torch stays on one thread, results go to a scratch folder of the run."""

import pytest


@pytest.fixture(scope="session")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("peers")
