"""What deploy/compose says is what Headgate and its metrics are.

    HEADGATE=target/release/headgate python3 -m unittest discover -s tests/deploy

Docker itself is not needed. That the file is a valid one is `docker-compose config`'s to tell: see scripts/test.sh.
"""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "deploy" / "compose"
HEADGATE = str(ROOT / os.environ.get("HEADGATE", "target/release/headgate"))
# Made by Prometheus, or by its client library for every process.
OTHERS_METRICS = {"up"}
# What a histogram is made of.
SERIES_ENDINGS = ("_count", "_sum", "_bucket")


def services():
    return yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]


def headgates():
    return {name: service for name, service in services().items() if service["image"] == "headgate"}


class Compose(unittest.TestCase):
    def test_two_gateways_and_two_sinks_run_headgate(self):
        commands = sorted(service["command"][0] for service in headgates().values())
        self.assertEqual(commands, ["gateway", "gateway", "sink", "sink"])

    def test_every_setting_of_headgate_is_one_and_valid(self):
        for name, service in headgates().items():
            settings = dict(service["environment"])
            self.assertTrue(any(key.startswith("HEADGATE__") for key in settings), name)
            checked = self.check(settings)
            self.assertEqual(checked.returncode, 0, f"{name}: {checked.stderr}")

    def test_a_setting_that_is_none_would_be_found(self):
        settings = dict(headgates()["sink-1"]["environment"])
        settings["HEADGATE__S3__BUKET"] = "headgate"
        self.assertNotEqual(self.check(settings).returncode, 0)

    def check(self, settings):
        clean = {key: value for key, value in os.environ.items() if not key.startswith("HEADGATE__")}
        with tempfile.TemporaryDirectory() as folder:
            return subprocess.run(
                [HEADGATE, "config", "check"], env=clean | settings, cwd=folder, capture_output=True, text=True, check=False
            )

    def test_every_image_but_our_own_is_pinned_by_version(self):
        for name, service in services().items():
            if service["image"] != "headgate":
                self.assertRegex(service["image"], r":v?\d+\.\d+", name)

    def test_every_service_that_goes_on_has_a_health_check(self):
        for name, service in services().items():
            if service["restart"] != "on-failure":
                self.assertIn("healthcheck", service, name)

    def test_nothing_is_published_beyond_this_machine(self):
        for name, service in services().items():
            for port in service.get("ports", []):
                self.assertTrue(port.startswith("127.0.0.1:"), f"{name}: {port}")

    def test_keys_of_the_store_are_the_ones_that_the_sinks_have(self):
        keys = yaml.safe_load((COMPOSE / "s3.json").read_text())["identities"][0]["credentials"][0]
        for name, service in headgates().items():
            settings = service["environment"]
            found = settings["AWS_ACCESS_KEY_ID"], settings["AWS_SECRET_ACCESS_KEY"]
            self.assertEqual(found, (keys["accessKey"], keys["secretKey"]), name)

    def test_prometheus_scrapes_every_headgate(self):
        scraped = yaml.safe_load((COMPOSE / "prometheus.yml").read_text())["scrape_configs"]
        targets = {target for job in scraped for group in job["static_configs"] for target in group["targets"]}
        self.assertEqual(targets, {f"{name}:8081" for name in headgates()})


class Alerts(unittest.TestCase):
    def test_every_metric_of_an_alert_is_documented(self):
        documented = set(re.findall(r"^\| `(\w+)`", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))
        groups = yaml.safe_load((COMPOSE / "alerts.yml").read_text())["groups"]
        used = {name for group in groups for rule in group["rules"] for name in re.findall(r"\bheadgate_\w+", rule["expr"])}
        self.assertTrue(used)
        for name in used - OTHERS_METRICS:
            histogram = next((name.removesuffix(end) for end in SERIES_ENDINGS if name.endswith(end)), name)
            self.assertTrue({name, histogram} & documented, f"{name} is not in docs/metrics.md")


if __name__ == "__main__":
    unittest.main()
