#!/bin/sh
# Install the Debian packages of which the tests use programs: a database server, a browser,
# the web server in front, what checks rules for alerts.
set -eu

missing=
need() { # PROGRAM-OR-PATTERN PACKAGE
    command -v "$1" >/dev/null || ls $1 >/dev/null 2>&1 || missing="$missing $2"
}
need "/usr/lib/postgresql/*/bin/initdb" postgresql
need /usr/sbin/sshd openssh-server
need chromium chromium
need chromedriver chromium-driver
need /usr/sbin/nginx nginx
need setfacl acl
need promtool prometheus
need /usr/sbin/pgbouncer pgbouncer

[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "The tests need programs of these Debian packages; install them first:$missing" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends $missing >/dev/null
