"""Why an app cannot be started. Each text names the mend; the host prints it and leaves with 1.

CannotStart
├─ SettingsError      host.json, local.settings.json or an app setting is missing or wrong
├─ AppLoadError       the worker library cannot index the app: in the cloud it would have no functions at all
├─ UnsupportedApp     the app uses something that the cloud has and this host does not
├─ InvalidRoute       an HTTP trigger's route template
└─ InvalidSchedule    a timer trigger's NCRONTAB expression
"""


class CannotStart(Exception):
    pass


class SettingsError(CannotStart):
    pass


class AppLoadError(CannotStart):
    pass


class UnsupportedApp(CannotStart):
    pass


class InvalidRoute(CannotStart):
    pass


class InvalidSchedule(CannotStart):
    pass
