"""Templates and their instances, groups and defaults, as a site of many like consoles has them."""

from __future__ import annotations

import os

from support import processes
from support.site import CAT, Site


def test_instances_of_a_template(site: Site) -> None:
    """The name's second half is in command, directory, environment, log and endpoint."""
    for name in ("vac", "mag"):
        (site.dir / name).mkdir()
    site.write()
    site.add(
        f"""
[template."ioc@"]
command = ["/bin/sh", "-c", "echo here is {{instance}} of {{name}}; exec cat"]
chdir = "{site.dir}/{{instance}}"
environment = {{ IOC = "{{instance}}", {processes.MARK} = "{site.mark}" }}
listen = "unix:{{instance}}.ctl"
log.file = "{{instance}}/{{name}}.log"

[console."ioc@vac"]

[console."ioc@mag"]
holdoff = "1s"
environment = {{ EXTRA = "{{instance}}!", {processes.MARK} = "{site.mark}" }}

[group.all]
members = "ioc@*"
"""
    )
    for name in ("vac", "mag"):
        (site.logs / name).mkdir()
    site.start()
    assert site.names() == ["ioc@vac", "ioc@mag"]
    for name in ("vac", "mag"):
        console = f"ioc@{name}"
        pid = site.child(console)
        log = site.logs / name / f"{console}.log"
        told = f"here is {name} of {console}\r\n".encode()
        site.wait_file(log, told)
        assert os.readlink(f"/proc/{pid}/cwd") == str(site.dir / name)
        assert (site.run / f"{name}.ctl").is_socket()
        assert (site.run / f"{console}.sock").is_socket()
    assert site.environment_of("ioc@vac")["IOC"] == "vac"
    extra = site.environment_of("ioc@mag")
    assert (extra["IOC"], extra["EXTRA"]) == ("mag", "mag!")


def test_change_of_a_template_is_the_change_of_all_its_instances(site: Site) -> None:
    template = site.drop_ins / "00-template.toml"
    template.write_text('[template."t@"]\ncommand = "cat"\n')
    site.write(a={"command": CAT})
    for name in ("t@1", "t@2"):
        site.drop_in(name)
    site.start()
    pids = [site.child(name) for name in site.names()]
    template.write_text('[template."t@"]\ncommand = "cat"\nholdoff = 1\numask = "0077"\n')
    assert site.reload() == [
        "~ t@1: policy: changed now",
        "~ t@1: umask: changes at its next start",
        "~ t@2: policy: changed now",
        "~ t@2: umask: changes at its next start",
        "= 1 unchanged",
    ]
    assert [site.child(name) for name in site.names()] == pids


def test_error_in_a_template_is_told_once(site: Site) -> None:
    template = site.drop_ins / "00-template.toml"
    template.write_text('[template."t@"]\ncommand = "cat"\n')
    site.write()
    for number in range(20):
        site.drop_in(f"t@{number}")
    site.start()
    template.write_text('[template."t@"]\ncommand = "cat"\n\nuser = "no-such-user"\n')
    assert site.refused() == [
        f'{template}:4: template t@: user: there is no user "no-such-user" on this machine',
        "nothing was changed",
    ]
