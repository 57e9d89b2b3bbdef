"""The name of the filter that :mod:`metlog.paste` takes the place of, so that no paste.ini has to change."""
