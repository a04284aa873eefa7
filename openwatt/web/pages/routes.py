"""The addresses of the pages and of the documentation: blueprints that share the limit of pages."""

from flask import Blueprint

from openwatt.web.pages.discovery import favicon, robots_txt, security_txt, sitemap
from openwatt.web.pages.documentation import docs_page, openapi_contract
from openwatt.web.pages.history import history_page
from openwatt.web.pages.price_now import now_page
from openwatt.web.pages.problem_types import problem_type_page
from openwatt.web.pages.rendering import recorded, register_error_pages
from openwatt.web.pages.status import status_page
from openwatt.web.pages.tariffs import tariffs_page
from openwatt.web.pages.template_context import use_template_context

#: The pages for people, whose errors are pages too. The home page has a limit and a blueprint of its own.
site = Blueprint("site", __name__)
register_error_pages(site)
site.add_url_rule("/tariffs", "tariffs", tariffs_page)
site.add_url_rule("/history", "history", history_page)
site.add_url_rule("/now", "now", now_page)
site.add_url_rule("/problems/<name>", "problem_type", problem_type_page)
site.add_url_rule("/status", "status", status_page)

pages = Blueprint("pages", __name__)
pages.add_app_template_filter(recorded)
pages.record_once(use_template_context)
pages.register_blueprint(site)
pages.add_url_rule("/docs", "docs", docs_page)
pages.add_url_rule("/openapi.json", "openapi", openapi_contract)
pages.add_url_rule("/robots.txt", "robots", robots_txt)
pages.add_url_rule("/sitemap.xml", "sitemap", sitemap)
pages.add_url_rule("/favicon.ico", "favicon", favicon)
pages.add_url_rule("/.well-known/security.txt", "security", security_txt)
