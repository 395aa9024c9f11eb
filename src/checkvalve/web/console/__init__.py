"""The console: server-rendered pages for people, mounted behind the sensors' API. Call `console_app(core)`."""

from checkvalve.web.console.app import console_app

__all__ = ["console_app"]
