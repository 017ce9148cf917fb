"""Which parts the bench has, in the order in which they are measured and written down."""

from bench import (
    acknowledging_report,
    backfill_report,
    calls_report,
    cold_start_report,
    latency_report,
    scale_report,
    throughput_report,
)

PARTS = {
    part.name: part
    for part in (
        calls_report.PART,
        acknowledging_report.PART,
        latency_report.PART,
        cold_start_report.PART,
        backfill_report.PART,
        scale_report.PART,
        throughput_report.PART,
    )
}
