"""Fetching FER2013, against a server on this machine."""

import errno
import hashlib
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from obstacles import full_disk

from emotion_utils.data.download import fetch_fer2013
from emotion_utils.errors import DownloadError

CONTENT = bytes(range(256)) * 5000
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def server():
    """Serve CONTENT at /good, the first half of it at /truncated, and 404 elsewhere; count the requests."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            if self.path not in ("/good", "/truncated"):
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT if self.path == "/good" else CONTENT[: len(CONTENT) // 2])

        def log_message(self, *_):
            pass

    requests = []
    running = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    running.requests = requests
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)


def test_it_is_downloaded_once(server, tmp_path, capsys):
    url, target = f"http://127.0.0.1:{server.server_port}/good", tmp_path / "fer2013.tar.gz"
    (tmp_path / ".fer2013.tar.gz.abc.part").write_bytes(b"left by a download that was killed")
    assert fetch_fer2013(tmp_path, url=url, md5=MD5) == target
    assert target.read_bytes() == CONTENT
    assert "fer2013.tar.gz: 100%" in capsys.readouterr().err.replace("\r", "\n")
    assert os.listdir(tmp_path) == ["fer2013.tar.gz"]
    assert fetch_fer2013(tmp_path, url=url, md5=MD5) == target
    assert server.requests == ["/good"]


@pytest.mark.parametrize(
    ("path", "md5", "named"),
    [
        ("truncated", MD5, "/truncated .*640,000 of 1,280,000|/truncated .*IncompleteRead"),
        ("good", "0" * 32, f"/good .*{MD5} .*0{{32}}"),
        ("nothing", MD5, "/nothing .*Not Found"),
        (None, MD5, "127.0.0.1:1/.*refused"),
    ],
)
def test_a_failed_download_leaves_nothing_and_the_next_one_succeeds(server, tmp_path, path, md5, named):
    good = f"http://127.0.0.1:{server.server_port}/good"
    url = "http://127.0.0.1:1/closed" if path is None else good.replace("good", path)
    with pytest.raises(DownloadError, match=named) as caught:
        fetch_fer2013(tmp_path, url=url, md5=md5, verbose=False)
    assert str(tmp_path) in str(caught.value)  # where to put it by hand
    assert len(str(caught.value)) - len(str(tmp_path)) <= 400
    assert os.listdir(tmp_path) == []  # nothing that `load` could mistake for the data set
    assert fetch_fer2013(tmp_path, url=good, md5=MD5, verbose=False).read_bytes() == CONTENT


def test_a_damaged_file_that_is_already_there_is_replaced(server, tmp_path, capsys):
    (tmp_path / "fer2013.tar.gz").write_bytes(CONTENT[:100])
    url = f"http://127.0.0.1:{server.server_port}/good"
    assert fetch_fer2013(tmp_path, url=url, md5=MD5).read_bytes() == CONTENT
    assert str(tmp_path / "fer2013.tar.gz") in capsys.readouterr().out


def test_a_full_disk_is_told_apart_from_a_bad_network(server, tmp_path):
    url = f"http://127.0.0.1:{server.server_port}/good"
    with full_disk(100_000), pytest.raises(OSError, match=r"fer2013\.tar\.gz") as caught:
        fetch_fer2013(tmp_path, url=url, md5=MD5, verbose=False)
    assert caught.value.errno == errno.EFBIG
    assert os.listdir(tmp_path) == []


def test_without_a_folder_the_file_goes_where_load_looks_for_it(server, tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_DATA_DIR", str(tmp_path / "data"))
    url = f"http://127.0.0.1:{server.server_port}/good"
    assert fetch_fer2013(url=url, md5=MD5, verbose=False) == tmp_path / "data" / "fer2013.tar.gz"
