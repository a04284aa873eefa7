"""The guide's "Open it to the world": its Caddyfile and its nginx block, before the installed service."""

import json
import re

from tests.chaos.running import wait_until
from tests.systemd.machine import PAGE, Machine, drop_in, reloaded, set_to

MIB = 1024 * 1024
#: Another client than the machine itself, and where it asks.
CLIENT = "127.0.0.77"


def block(first: str) -> str:
    """The page's block of configuration that begins with this line."""
    (found,) = re.findall(rf"^```\n({re.escape(first)}\n.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return str(found)


def install(machine: Machine, package: str) -> None:
    done = machine.run(f"apt-get --no-install-recommends install {package}", uplink=True, seconds=600)
    assert done.status == 0, done


def client_of(machine: Machine, path: str) -> str:
    """The client's address in the record of the latest request for a path."""
    records = map(json.loads, machine.path("/var/log/openwatt/api.log").read_text().splitlines())
    (*_, last) = [record for record in records if record.get("path") == path]
    return str(last["client"])


def test_caddy_serves_with_tls_hides_the_metrics_and_bounds_what_is_sent(machine: Machine) -> None:
    """The reader's name is `localhost` here, for which Caddy makes a certificate by itself."""
    install(machine, "caddy")
    text = block("openwatt.example.org {").replace("openwatt.example.org", "localhost")
    machine.path("/etc/caddy/Caddyfile").write_text(text)
    machine.out("systemctl restart caddy")
    root = "/var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt"
    curl = f"curl --silent --ipv4 --interface {CLIENT} --cacert {root}"
    status = f"{curl} --output /dev/null --write-out '%{{http_code}}' https://localhost"
    wait_until(lambda: machine.run(f"{status}/version").output == "200")
    with set_to(machine, TRUSTED_PROXIES="1"):
        reloaded(machine)
        assert machine.out(f"{status}/v1/suppliers") == "200"
        assert client_of(machine, "/v1/suppliers") == CLIENT
        assert machine.out(f"{status}/metrics") == "404"
        machine.out(f"truncate --size={34 * MIB} /tmp/large.csv")
        form = "--form file=@/tmp/large.csv --form power_kva=6"
        assert machine.run(f"{status}/v1/bills {form}").output.endswith("413")
    reloaded(machine)
    machine.out("systemctl disable --now caddy")


def test_nginx_shows_the_service_below_a_path(machine: Machine) -> None:
    install(machine, "nginx-light")
    location = block("location /electricite/ {")
    machine.path("/etc/nginx/conf.d/openwatt.conf").write_text(
        f"server {{\nlisten 127.0.0.1:8080;\n{location}}}\n"
    )
    machine.out("systemctl restart nginx")
    curl = f"curl --silent --interface {CLIENT} http://127.0.0.1:8080/electricite"
    with set_to(machine, TRUSTED_PROXIES="1"):
        reloaded(machine)
        listed = machine.out(f"{curl}/v1/tariffs?limit=1")
        assert '"next":"/electricite/v1/tariffs' in listed
        assert client_of(machine, "/v1/tariffs") == CLIENT
        assert 'href="/electricite/' in machine.out(f"{curl}/")
    reloaded(machine)


def test_nginx_reaches_the_service_on_a_unix_socket(machine: Machine) -> None:
    path = "/run/openwatt/openwatt.sock"
    site = machine.path("/etc/nginx/conf.d/openwatt.conf")
    site.write_text(site.read_text().replace("http://127.0.0.1:8000/", f"http://unix:{path}:/"))
    machine.out("systemctl restart nginx")
    curl = f"curl --silent --interface {CLIENT} http://127.0.0.1:8080/electricite"
    with (
        set_to(machine, TRUSTED_PROXIES="1", BIND=f"unix:{path}"),
        drop_in(machine, "openwatt.socket", block("[Socket]")),
    ):
        machine.out("systemctl restart openwatt.socket openwatt")
        assert '"next":"/electricite/v1/tariffs' in machine.out(f"{curl}/v1/tariffs?limit=1")
        assert client_of(machine, "/v1/tariffs") == CLIENT
        assert machine.run("curl --silent http://127.0.0.1:8000/health").status == 7
        said = machine.run("sudo -u openwatt .venv/bin/openwatt doctor", folder="/opt/openwatt").output
        assert re.search(f"^ok +service +unix:{path}", said, re.MULTILINE), said
    machine.out("systemctl restart openwatt.socket openwatt")
    assert machine.answers()
    machine.out("systemctl disable --now nginx")
