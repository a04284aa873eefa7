"""The parts under an answer (two contracts, "what if", past years) beside the plain answer: run by path."""

import argparse
import datetime as dt
import os
import sys
import time
from pathlib import Path
from statistics import median

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not bench/: its `requests.py` is not that library
from bench.calls import ratio  # noqa: E402  # found by the line above
from bench.service import open_folder, progress  # noqa: E402  # found by the line above
from openwatt.app import create_app  # noqa: E402  # the code beside this file
from openwatt.bootstrap import held_database, prepare_database  # noqa: E402  # the code beside this file
from openwatt.settings import Settings  # noqa: E402  # the code beside this file
from openwatt.web.http.app_state import state_of  # noqa: E402  # the code beside this file

NOW = dt.datetime(2026, 11, 28, 12, tzinfo=dt.UTC)
PLAIN = {"kwh": "5000", "power_kva": "6", "off_peak_hours": "22:00-06:00", "lang": "fr"}
VERSUS = {"versus_first": "EDF~Tarif Bleu~BASE", "versus_second": "EDF~Tarif Bleu~TEMPO"}
PARTS = {
    "two contracts": VERSUS,
    "shift": {"shift_percent": "20"},
    "car": {"car_km_per_week": "200"},
    "heat pump": {"heat_pump_kwh": "4000"},
    "another power": {"other_power_kva": "9"},
    "past years": {"past_years": "true"},
}
PARTS["all together"] = {name: text for part in PARTS.values() for name, text in part.items()}
#: What the page shows of each part when it is computed.
SHOWN = {"two contracts": 'class="reasons"', "past years": 'class="figures years"'}


def main() -> None:
    """Prints processor ms of the page with each part (medians), and its ratio to the plain answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="rounds of the comparison (default 7)")
    rounds = parser.parse_args().rounds
    with open_folder() as folder:
        settings = Settings(data_dir=folder / "data", workers=1, limit_bills="999999999/minute")
        with held_database(settings):
            prepare_database(settings)
            app = create_app(settings, clock=lambda: NOW)
            client = app.test_client()

            def millis(part: dict[str, str], shown: str) -> float:
                began = time.process_time()
                answer = client.get("/", query_string=PLAIN | part)
                spent = (time.process_time() - began) * 1000
                assert answer.status_code == 200
                assert shown in answer.text
                return spent

            plain: list[float] = []
            times: dict[str, list[float]] = {name: [] for name in PARTS}
            for turn in range(rounds + 1):
                progress(f"round {turn} of {rounds}")
                beside = millis({}, 'id="versus"')
                found = {name: millis(part, SHOWN.get(name, 'class="')) for name, part in PARTS.items()}
                if turn:  # the first only warms
                    plain.append(beside)
                    for name, one in found.items():
                        times[name].append(one)
            print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
            print(f"\nprocessor ms of the page{'':8}{median(plain):8.0f}")
            for name, own in times.items():
                print(f"  {name:30}{median(own):8.0f}{ratio(own, plain):7.2f} ×")
            state_of(app).database.close()


if __name__ == "__main__":
    main()
