"""Chromium, with a page that has one of the browsers' SDKs. The page is of another origin than the gateway."""

import contextlib
import http.server
import json
import pathlib
import shutil
import subprocess
import tempfile
import threading
import urllib.parse

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from harness import HERE, SDKS, wait_for

SOURCES = HERE / "browser"
NAMES = ("segment", "rudderstack", "snowplow")
ARGUMENTS = (
    "--headless=new",
    # It is only ever shown our own page.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-proxy-server",
    "--no-first-run",
    # Nothing but the page makes requests.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
)


def bundle(directory):
    """Each SDK and its page's script in one file, as a web site would have them."""
    subprocess.run(
        [
            *("node", str(SDKS / "node_modules" / "esbuild" / "bin" / "esbuild")),
            *(str(SOURCES / f"{name}.mjs") for name in NAMES),
            *("--bundle", "--log-level=warning", "--target=chrome110", "--define:process.env.NODE_ENV=\"production\""),
            f"--outdir={directory}",
        ],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "NODE_PATH": str(SDKS / "node_modules")},
        check=True,
        timeout=60,
    )
    shutil.copy(SOURCES / "page.html", directory)


class Files(http.server.SimpleHTTPRequestHandler):
    """The page and its scripts; `/calls?sdk=SDK&seed=SEED` is the calls to make."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        address = urllib.parse.urlsplit(self.path)
        if address.path != "/calls":
            return super().do_GET()
        query = dict(urllib.parse.parse_qsl(address.query))
        calls = HERE / ("snowplow.json" if query["sdk"] == "snowplow" else "calls.json")
        body = calls.read_text(encoding="utf-8").replace("{seed}", query["seed"]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return self.wfile.write(body)


class Browser:
    """A browser and the site that it is shown; a context manager."""

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self._directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="headgate-browser-"))
            site = pathlib.Path(self._directory) / "site"
            site.mkdir()
            bundle(site)
            self._origin = self._serve(site, stack)
            options = Options()
            options.binary_location = shutil.which("chromium") or shutil.which("google-chrome")
            for argument in (*ARGUMENTS, f"--user-data-dir={self._directory}/profile"):
                options.add_argument(argument)
            options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
            self._driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
            stack.callback(self._driver.quit)
            self._driver.set_script_timeout(60)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def _serve(self, directory, stack):
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), lambda *arguments: Files(*arguments, directory=str(directory))
        )
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        return f"http://127.0.0.1:{server.server_address[1]}"

    def open(self, sdk, endpoint, key, seed, mode):
        """Shows the page, and waits until it has made all calls; returns what it gave to the SDK. Nothing is left of a page
        before: not what its SDK had kept, and not what was said of it.
        """
        self._driver.get("about:blank")
        self._driver.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": self._origin, "storageTypes": "all"})
        self.problems()
        query = urllib.parse.urlencode({"sdk": sdk, "endpoint": endpoint, "key": key, "seed": seed, "mode": mode})
        self._driver.get(f"{self._origin}/page.html?{query}")
        wait_for(f"the page's calls: {self.problems}", self._made)
        return self._script("return window.given")

    def _made(self):
        error, made = self._script("return [window.error, window.made]")
        if error:
            raise AssertionError(f"the page failed: {error}")
        return made

    def leave(self):
        """Lets the page make its last calls, and leaves it at once; returns what it gave to the SDK in the end."""
        given = self._script("window.leave(); return window.given")
        self._driver.get("about:blank")
        return given

    def flush(self):
        """Lets the SDK send again what failed, where it does not by itself."""
        self._script("if (window.flush) window.flush()")

    def _script(self, script):
        return self._driver.execute_script(script)

    def problems(self):
        """What the console has said since it was last asked, and what the browser itself has refused."""
        said = [entry["message"] for entry in self._driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
        return said + self.refused()

    def refused(self):
        """Requests that the browser itself has refused, as for CORS, since it was last asked."""
        found = []
        for entry in self._driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            failure = message["params"] if message["method"] == "Network.loadingFailed" else {}
            if reason := failure.get("corsErrorStatus") or failure.get("blockedReason"):
                found.append(json.dumps(reason))
        return found
