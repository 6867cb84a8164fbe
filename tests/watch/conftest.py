from tests.report.chromium import browser  # noqa: F401  (a fixture)
