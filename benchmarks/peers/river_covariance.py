"""River's online covariance: seconds of an update, over the rows of a JSON file."""

import json
import sys
import time
from pathlib import Path

from river.covariance import EmpiricalCovariance

rows = [dict(enumerate(row)) for row in json.loads(Path(sys.argv[1]).read_text())]
covariance = EmpiricalCovariance()
covariance.update(rows[0])  # makes its pairs
begun_s = time.perf_counter()
for row in rows[1:]:
    covariance.update(row)
print(json.dumps((time.perf_counter() - begun_s) / (len(rows) - 1)))
