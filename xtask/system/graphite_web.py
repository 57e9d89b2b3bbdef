"""graphite-web in this process: settings, a folder of whisper files, and questions by address as over HTTP."""

import json
import os
import sys
import types
from urllib.parse import urlencode


class GraphiteWeb:
    """One for each process: Django knows one configuration only."""

    def __init__(self, folder):
        self.whisper_folder = os.path.join(folder, "whisper")
        for name in ["whisper", "log"]:
            os.makedirs(os.path.join(folder, name), exist_ok=True)
        local = types.ModuleType("graphite.local_settings")
        local.SECRET_KEY = "not a secret: nobody logs in"
        local.STORAGE_DIR = folder
        local.CONF_DIR = folder
        local.LOG_DIR = os.path.join(folder, "log")
        local.WHISPER_DIR = self.whisper_folder
        local.STANDARD_DIRS = [self.whisper_folder]
        local.CARBONLINK_HOSTS = []
        local.TIME_ZONE = "UTC"
        local.ALLOWED_HOSTS = ["*"]
        local.DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(folder, "graphite.db")}}
        local.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
        sys.modules["graphite.local_settings"] = local
        # Images are not drawn here, so the library that draws them need not be there.
        from unittest.mock import MagicMock

        sys.modules["cairocffi"] = MagicMock()
        os.environ["DJANGO_SETTINGS_MODULE"] = "graphite.settings"
        import django
        from django.core.management import call_command

        django.setup()
        import logging

        logging.disable(logging.CRITICAL)
        call_command("migrate", run_syncdb=True, verbosity=0)
        from django.test import Client

        self.client = Client(raise_request_exception=False)

    def tag(self, path):
        """Makes a path known to the search by tags, as carbon does."""
        from graphite.storage import STORE

        STORE.tagdb.tag_series(path)

    def file_of(self, path):
        """The whisper file of a path."""
        from graphite.tags.utils import TaggedSeries

        if ";" in path:
            return os.path.join(self.whisper_folder, TaggedSeries.encode(path, sep=os.sep) + ".wsp")
        return os.path.join(self.whisper_folder, path.replace(".", os.sep) + ".wsp")

    def get(self, address, parameters=()):
        """Status and body; JSON where it is JSON."""
        response = self.client.get(address + "?" + urlencode(list(parameters), doseq=True))
        text = response.content.decode()
        try:
            # Python reads 1e9999 as inf.
            return response.status_code, json.loads(text)
        except ValueError:
            return response.status_code, text
