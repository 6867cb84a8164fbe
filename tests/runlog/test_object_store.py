"""Truth: the same files in a folder. The object store is moto's, on this machine."""

import logging
import pickle
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from mstudy.core.errors import LogError
from mstudy.runlog.raw import source as source_module
from mstudy.runlog.reading.reader import read_runs
from mstudy.runlog.validate import validate
from pyarrow import fs

from tests.runlog.folders import pair, sound


@pytest.fixture
def credentials(monkeypatch):
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "no_proxy": "*",
    }.items():
        monkeypatch.setenv(name, value)
    source_module._open_store.cache_clear()
    yield
    source_module._open_store.cache_clear()


@pytest.fixture
def store(credentials, monkeypatch):
    """An empty object store; returns put(folder, bucket/prefix)."""
    pytest.importorskip("flask_cors", reason="moto's server needs flask and flask-cors")
    server_module = pytest.importorskip("moto.server", reason="moto is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    system = fs.S3FileSystem(
        endpoint_override=f"{host}:{port}", scheme="http", allow_bucket_creation=True, allow_bucket_deletion=True
    )

    def put(folder, address):
        system.create_dir(address)
        for path in folder.rglob("*"):
            if path.is_file():
                with system.open_output_stream(f"{address}/{path.relative_to(folder).as_posix()}") as out:
                    out.write(path.read_bytes())

    yield put
    for bucket in system.get_file_info(fs.FileSelector("")):  # moto keeps them from one server to the next
        system.delete_dir(bucket.path)
    server.stop()


def test_runs_in_a_bucket_are_those_in_a_folder(store, tmp_path):
    pair(sound(tmp_path) / "deeper", 5)
    store(tmp_path, "bucket/some/prefix")

    there, here = read_runs("s3://bucket/some/prefix/"), read_runs(tmp_path)

    assert there.runs.equals(here.runs)
    assert len(there.runs) == 6
    assert there.points.equals(here.points)
    # What a worker process is sent.
    assert pickle.loads(pickle.dumps(there)).points.equals(here.points)


def test_a_bucket_without_prefix(store, tmp_path):
    store(sound(tmp_path), "bucket")

    assert len(read_runs("s3://bucket").runs) == 4


def test_problems_in_a_bucket_are_those_in_a_folder(store, tmp_path):
    (sound(tmp_path) / "torn.parquet").write_bytes(b"PAR1")
    (tmp_path / "manifest.json").write_text('[{"path": "gone.parquet"}]')
    store(tmp_path, "bucket/runs")

    assert validate("s3://bucket/runs").problems == validate(tmp_path).problems
    assert len(validate(tmp_path).problems) == 2


def test_the_command_takes_an_address(store, tmp_path, mstudy):
    store(sound(tmp_path), "bucket/runs")

    assert mstudy("validate", "s3://bucket/runs")[:2] == (0, "0 problems in 4 files: 0 errors, 0 warnings\n")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("s3://nobody/runs", "must let us list s3://nobody/runs, found: .*NO_SUCH_BUCKET.*check the bucket's name"),
        ("s3://bucket/none", "The runs folder must exist, found none at s3://bucket/none"),
        ("s3://", "must name a bucket"),
        ("s3://bucket?nonsense=1", r"must be a path or s3://BUCKET/PREFIX, found s3://bucket\?nonsense=1: "),
        ("ftp://bucket/runs", "must be a path or s3://BUCKET/PREFIX, found ftp://bucket/runs"),
    ],
)
def test_a_wrong_address_is_one_sentence(store, tmp_path, mstudy, address, message):
    store(sound(tmp_path), "bucket/runs")

    with pytest.raises(LogError, match=message):
        read_runs(address)
    code, _, err = mstudy("validate", address)
    assert (code, err.count("\n")) == (1, 1)


class Refusing(BaseHTTPRequestHandler):
    """An object store that knows no credentials."""

    def do_GET(self):
        body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def test_refused_credentials_are_one_sentence(credentials, monkeypatch):
    server = HTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    try:
        with pytest.raises(LogError, match=r"found: .*ACCESS_DENIED.*credentials \(AWS_ACCESS_KEY_ID"):
            read_runs("s3://bucket/runs")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
