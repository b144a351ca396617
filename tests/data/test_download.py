"""Fetching FER2013, against a server on this machine."""

import hashlib
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from emotion_utils.commands.main import main

from emotion_utils.data import download as fetch
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


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("success", None),
        ("already there", None),
        ("truncated", "broke off after 640,000 of 1,280,000 bytes. Try again.|IncompleteRead"),
        ("wrong checksum", f"another file than expected .MD5 {MD5} instead of 0{{32}}.. Nothing was kept"),
        ("404", "could not be opened .Not Found"),
        ("connection refused", "could not be opened .*refused"),
    ],
)
def test_fetch(server, tmp_path, capsys, monkeypatch, case, message):
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    path = {"truncated": "truncated", "404": "nothing"}.get(case, "good")
    port = 1 if case == "connection refused" else server.server_port
    arguments = {"url": f"http://127.0.0.1:{port}/{path}", "md5": "0" * 32 if case == "wrong checksum" else MD5}
    (tmp_path / ".fer2013.tar.gz.abc.part").write_bytes(b"left by a download that was killed")
    target = tmp_path / "fer2013.tar.gz"
    if case == "already there":
        target.write_bytes(CONTENT)
    if message is None:
        assert fetch_fer2013(tmp_path, **arguments) == target
        assert target.read_bytes() == CONTENT
        assert len(server.requests) == (case == "success")
        if case == "success":
            assert "fer2013.tar.gz: 100%" in capsys.readouterr().err.replace("\r", "\n")
            assert os.listdir(tmp_path) == ["fer2013.tar.gz"]
        return
    with pytest.raises(DownloadError, match=message) as caught:
        fetch_fer2013(tmp_path, **arguments, verbose=False)
    assert "To do it by hand" in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert os.listdir(tmp_path) == []  # nothing that `load` could mistake for the data set
    # The next try starts afresh and succeeds.
    good = f"http://127.0.0.1:{server.server_port}/good"
    assert fetch_fer2013(tmp_path, url=good, md5=MD5, verbose=False).read_bytes() == CONTENT


def test_the_shell_command_tells_the_error_in_one_sentence(monkeypatch, tmp_path, capsys):
    def fail(folder):
        raise DownloadError(f"no network. {folder}")

    monkeypatch.setattr("emotion_utils.commands.fetch.fetch_fer2013", fail)
    assert main(["fetch", "fer2013", "--into", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"error: no network. {tmp_path}\n"
    monkeypatch.setattr("emotion_utils.commands.fetch.fetch_fer2013", lambda folder: folder / "fer2013.tar.gz")
    assert main(["fetch", "fer2013", "--into", str(tmp_path)]) == 0
    assert f"FER2013 is at {tmp_path}" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["fetch", "imagenet"])


def test_a_damaged_file_that_is_already_there_is_replaced(server, tmp_path, capsys):
    (tmp_path / "fer2013.tar.gz").write_bytes(CONTENT[:100])
    url = f"http://127.0.0.1:{server.server_port}/good"
    assert fetch_fer2013(tmp_path, url=url, md5=MD5).read_bytes() == CONTENT
    assert "downloaded anew" in capsys.readouterr().out


def test_a_full_disk_is_told_apart_from_a_bad_network(server, tmp_path, monkeypatch):
    def full(response, url, advice):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetch, "_read", full)
    with pytest.raises(OSError, match=r"No space left on device.*Free some space"):
        fetch_fer2013(tmp_path, url=f"http://127.0.0.1:{server.server_port}/good", md5=MD5, verbose=False)
    assert os.listdir(tmp_path) == []


def test_without_a_folder_the_file_goes_where_load_looks_for_it(server, tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_DATA_DIR", str(tmp_path / "data"))
    url = f"http://127.0.0.1:{server.server_port}/good"
    assert fetch_fer2013(url=url, md5=MD5, verbose=False) == tmp_path / "data" / "fer2013.tar.gz"
