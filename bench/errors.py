"""Why a measurement has no figure."""


class MeasurementFailed(Exception):
    """What was to be measured did not come about; the text says what happened instead."""
