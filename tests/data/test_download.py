"""Fetching FER2013, against servers on this machine: good ones, and some that say nonsense or hardly anything."""

import errno
import hashlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from obstacles import full_disk

from emotion_utils.data.download import fetch_fer2013
from emotion_utils.errors import DownloadError

CONTENT = bytes(range(256)) * 5000
MD5 = hashlib.md5(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Each path is a way to answer."""

    def do_GET(self):
        self.server.requests.append(self.path)
        getattr(self, self.path.strip("/").partition("/")[0], lambda: self.send_error(404))()

    def head(self, status=200, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def good(self):
        self.head(Content_Length=len(CONTENT))
        self.wfile.write(CONTENT)

    def silent_about_length(self):
        self.head()
        self.wfile.write(CONTENT)

    def truncated(self):
        self.head(Content_Length=len(CONTENT))
        self.wfile.write(CONTENT[: len(CONTENT) // 2])

    def length(self):
        self.head(Content_Length=self.path.rpartition("/")[2])
        self.wfile.write(CONTENT)

    def leads(self):
        self.head(302, Location=self.path.partition("/leads/")[2])

    def circle(self):
        self.head(302, Location="/circle")

    def mute(self):
        self.server.over.wait(20)

    def trickle(self):
        self.head(Content_Length=len(CONTENT))
        while not self.server.over.wait(0.05):
            self.wfile.write(b"x")

    def trickling_head(self):
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Wait: ")
        while not self.server.over.wait(0.05):
            self.wfile.write(b"x")

    def in_small_pieces(self):
        self.head(Content_Length=len(CONTENT))
        for start in range(0, len(CONTENT), 40_000):
            self.wfile.write(CONTENT[start : start + 40_000])
            time.sleep(0.01)

    def nonsense(self):
        self.wfile.write(b"\xff\xfe no HTTP at all\r\n\r\n")

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.requests, running.over = [], threading.Event()
    running.handle_error = lambda *_: None  # a reader who has gone
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    running.url = f"http://127.0.0.1:{running.server_port}"
    yield running
    running.over.set()
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)


def test_it_is_downloaded_once(server, tmp_path, capsys):
    url, target = f"{server.url}/good", tmp_path / "fer2013.tar.gz"
    old = tmp_path / ".fer2013.tar.gz.abc.part"
    old.write_bytes(b"left by an earlier version that was killed")
    os.utime(old, (1e9, 1e9))
    assert fetch_fer2013(tmp_path, url=url, md5=MD5) == target
    assert target.read_bytes() == CONTENT
    assert "fer2013.tar.gz: 100%" in capsys.readouterr().err.replace("\r", "\n")
    assert os.listdir(tmp_path) == ["fer2013.tar.gz"]
    assert fetch_fer2013(str(tmp_path), url=url, md5=MD5.upper()) == target
    assert server.requests == ["/good"]


@pytest.mark.parametrize("path", ["silent_about_length", "length/abc", "length/-5", "length/0x10", "in_small_pieces"])
def test_a_server_that_says_nonsense_about_the_length_is_read_all_the_same(server, tmp_path, path):
    assert fetch_fer2013(tmp_path, f"{server.url}/{path}", MD5, verbose=False).read_bytes() == CONTENT


def test_a_redirect_on_the_web_is_followed(server, tmp_path):
    url = f"{server.url}/leads/{server.url}/good"
    assert fetch_fer2013(tmp_path, url, MD5, verbose=False).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "md5", "named"),
    [
        ("truncated", MD5, "/truncated .*640,000 of 1,280,000|/truncated .*IncompleteRead"),
        ("good", "0" * 32, f"/good .*{MD5} .*0{{32}}"),
        ("good", "not " * 1000, f"/good .*{MD5} .*not not"),
        ("nothing", MD5, "/nothing .*Not Found"),
        ("length/9999999999999", MD5, "promises 9,999,999,999,999 bytes"),
        ("length/5", MD5, "another file"),
        ("leads/file:///etc/passwd", MD5, "file:///etc/passwd"),
        ("leads/ftp://127.0.0.1/x", MD5, "leads to ftp://"),
        ("circle", MD5, "/circle .*redirect"),
        ("nonsense", MD5, "/nonsense "),
        ("mute", MD5, "/mute sent 0 bytes in 0.3 seconds|/mute .*timed out"),
        ("trickle", MD5, r"/trickle sent \d+ bytes in 0.3 seconds"),
        ("trickling_head", MD5, "/trickling_head sent 0 bytes"),
        ("http://127.0.0.1:1/closed", MD5, "127.0.0.1:1/.*refused"),
        ("nowhere", MD5, "nowhere .*unknown url type"),
        ("http://[::1", MD5, "Invalid IPv6"),
        ("http://a b/", MD5, "a b"),
        ("http://" + "x" * 5000, MD5, "xxx"),
        ("file:///nothing/here", MD5, "nothing/here"),
    ],
)  # fmt: skip
def test_a_failed_download_leaves_nothing_and_the_next_one_succeeds(server, tmp_path, path, md5, named):
    url = path if "://" in path.partition("/")[0] or ":" in path[:5] or path == "nowhere" else f"{server.url}/{path}"
    with pytest.raises(DownloadError, match=named) as caught:
        fetch_fer2013(tmp_path, url=url, md5=md5, verbose=False, patience=0.3)
    assert str(tmp_path)[-40:] in str(caught.value)  # where to put it by hand
    assert len(str(caught.value)) <= 400
    assert str(caught.value).isprintable()
    assert os.listdir(tmp_path) == []  # nothing that `load` could mistake for the data set
    assert fetch_fer2013(tmp_path, f"{server.url}/good", MD5, verbose=False).read_bytes() == CONTENT


def test_all_of_it_may_take_so_long_and_no_longer(server, tmp_path):
    with pytest.raises(DownloadError, match=r"takes more than 0\.1 seconds"):
        fetch_fer2013(tmp_path, f"{server.url}/in_small_pieces", MD5, verbose=False, time_limit=0.1)
    assert os.listdir(tmp_path) == []
    for limits in ({"patience": 0}, {"time_limit": float("nan")}, {"patience": "1"}):
        with pytest.raises(ValueError, match=f"{next(iter(limits))}="):
            fetch_fer2013(tmp_path, f"{server.url}/good", MD5, **limits)


def test_two_at_once_both_end_well(server, tmp_path):
    def fetch(path: str) -> Path:
        return fetch_fer2013(tmp_path, f"{server.url}/{path}", MD5, verbose=False)

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(fetch, ["in_small_pieces", "good", "in_small_pieces"]))
    assert found == [tmp_path / "fer2013.tar.gz"] * 3
    assert os.listdir(tmp_path) == ["fer2013.tar.gz"]
    assert found[0].read_bytes() == CONTENT


def test_a_file_of_that_name_with_another_content_is_kept_under_another_name(server, tmp_path, capsys):
    for number in range(2):
        (tmp_path / "fer2013.tar.gz").write_bytes(b"mine" * number)
        assert fetch_fer2013(tmp_path, f"{server.url}/good", MD5).read_bytes() == CONTENT
        out = capsys.readouterr().out
        assert str(tmp_path / "fer2013.tar.gz") in out
        assert f"fer2013.tar.gz.old{number or ''}" in out
    assert (tmp_path / "fer2013.tar.gz.old").read_bytes() == b""
    assert (tmp_path / "fer2013.tar.gz.old1").read_bytes() == b"mine"


def test_a_failed_download_keeps_what_is_there(server, tmp_path):
    (tmp_path / "fer2013.tar.gz").write_bytes(b"mine")
    with pytest.raises(DownloadError):
        fetch_fer2013(tmp_path, f"{server.url}/truncated", MD5, verbose=False)
    assert (tmp_path / "fer2013.tar.gz").read_bytes() == b"mine"
    assert os.listdir(tmp_path) == ["fer2013.tar.gz"]


def test_a_folder_in_the_place_of_the_file(server, tmp_path):
    (tmp_path / "fer2013.tar.gz").mkdir()
    with pytest.raises(OSError, match=r"fer2013\.tar\.gz"):
        fetch_fer2013(tmp_path, f"{server.url}/good", MD5, verbose=False)
    assert os.listdir(tmp_path) == ["fer2013.tar.gz"]
    with pytest.raises(TypeError, match="folder=5"):
        fetch_fer2013(5, f"{server.url}/good", MD5)


def test_a_full_disk_is_told_apart_from_a_bad_network(server, tmp_path):
    with full_disk(100_000), pytest.raises(OSError, match=r"fer2013\.tar\.gz") as caught:
        fetch_fer2013(tmp_path, f"{server.url}/good", MD5, verbose=False)
    assert caught.value.errno == errno.EFBIG
    assert os.listdir(tmp_path) == []


def test_without_a_folder_the_file_goes_where_load_looks_for_it(server, tmp_path, monkeypatch):
    monkeypatch.setenv("EMOTION_DATA_DIR", str(tmp_path / "data"))
    assert fetch_fer2013(url=f"{server.url}/good", md5=MD5, verbose=False) == tmp_path / "data" / "fer2013.tar.gz"
