"""One contract's bill by NREL-PySAM's utilityrate5: reads kW and prices, prints its milliseconds."""

import json
import statistics
import sys
import time

from PySAM import Utilityrate5  # type: ignore[import-not-found]  # it lives in an environment of its own

asked = json.load(sys.stdin)
hour_register = [[2 if hour >= 22 or hour < 6 else 1 for hour in range(24)]] * 12
model = Utilityrate5.new()
model.assign(
    {
        "ElectricityRates": {
            "en_electricity_rates": 1,
            "ur_metering_option": 4,
            "ur_ec_sched_weekday": hour_register,
            "ur_ec_sched_weekend": hour_register,
            "ur_ec_tou_mat": [
                [1, 1, 9.9e37, 0, asked["prices"]["HP"], 0],
                [2, 1, 9.9e37, 0, asked["prices"]["HC"], 0],
            ],
            "ur_monthly_fixed_charge": 15.0,
            "ur_dc_enable": 0,
            "rate_escalation": [0],
        },
        "Lifetime": {"analysis_period": 1, "inflation_rate": 0, "system_use_lifetime_output": 0},
        "SystemOutput": {"degradation": [0], "gen": [0.0] * len(asked["kw"])},
        "Load": {"load": asked["kw"], "load_escalation": [0]},
    }
)
times = []
for _ in range(21):
    start = time.perf_counter()
    model.execute()
    times.append((time.perf_counter() - start) * 1000)
print(json.dumps({"ms": statistics.median(times[1:]), "year_eur": model.Outputs.utility_bill_wo_sys_year1}))
