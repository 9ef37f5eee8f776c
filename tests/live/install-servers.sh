#!/bin/sh
# Installs the real servers that the live tests and the lab talk to: as root on Debian, by apt, quietly and only
# what is missing. Elsewhere it says which live suite will be skipped and why. It never leaves a server running:
# the tests start their own, on free ports, and stop them again.
set -eu

# package | a program that proves it is there | what is skipped without it
SERVERS='prometheus|prometheus|the lab and the metrics live suite
prometheus-alertmanager|prometheus-alertmanager alertmanager|the lab and the webhook live suite
victoria-metrics|victoria-metrics|the second metrics server of the live suite
postgresql-15|/usr/lib/postgresql/15/bin/initdb /usr/lib/postgresql/*/bin/initdb initdb|the lab and the database live suite
mariadb-server|/usr/sbin/mariadbd|the MySQL and MariaDB live tests
postgresql-15-hypopg|/usr/share/postgresql/15/extension/hypopg.control|the hypothetical-index live tests'

present() {
    for candidate in $1; do
        case $candidate in
            /*) if [ -e "$candidate" ]; then return 0; fi ;;
            *) if command -v "$candidate" >/dev/null 2>&1; then return 0; fi ;;
        esac
    done
    return 1
}

missing() {
    echo "$SERVERS" | while IFS='|' read -r package programs suite; do
        present "$programs" || echo "$package|$suite"
    done
}

explain() {
    missing | while IFS='|' read -r package suite; do
        echo "servers: $package is missing ($1): $suite will be skipped" >&2
    done
}

# Debian's maintainer scripts start a daemon on its default port unless a policy forbids it; an existing policy
# of the machine is put back afterwards.
POLICY=/usr/sbin/policy-rc.d
forbid_daemons() {
    saved=$(mktemp)
    if [ -e "$POLICY" ]; then cp -p "$POLICY" "$saved"; else rm -f "$saved"; fi
    trap restore_policy EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod 755 "$POLICY"
    # A default cluster would only cost disk and a port.
    if [ -d /etc/postgresql-common ] || mkdir -p /etc/postgresql-common 2>/dev/null; then
        [ -e /etc/postgresql-common/createcluster.conf ] ||
            echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
    fi
}
restore_policy() {
    if [ -e "$saved" ]; then mv "$saved" "$POLICY"; else rm -f "$POLICY"; fi
}

apt_install() {
    # shellcheck disable=SC2086 # a list of package names
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
        -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 $1 >"$log" 2>&1
}

on_debian() {
    [ -r /etc/os-release ] && grep -q '^ID=debian$' /etc/os-release && command -v apt-get >/dev/null 2>&1
}

# What this release of Debian has; the rest is named and skipped.
offered() {
    for package in $1; do
        if apt-cache show "$package" >/dev/null 2>&1; then
            printf '%s ' "$package"
        else
            echo "servers: this release of Debian has no $package: what needs it will be skipped" >&2
        fi
    done
}

packages=$(missing | cut -d'|' -f1 | tr '\n' ' ')
if [ -z "$packages" ]; then exit 0; fi
if ! on_debian; then explain 'not on Debian, so it is not installed'; exit 0; fi
if [ "$(id -u)" -ne 0 ]; then explain 'not root, so it is not installed'; exit 0; fi

log=$(mktemp)
forbid_daemons
echo "servers: installing $packages" >&2
if apt_install "$packages"; then rm -f "$log"; exit 0; fi
# Once more with fresh package lists: a bare image has none, and a mirror may have moved on.
apt-get -qq -o DPkg::Lock::Timeout=120 update >>"$log" 2>&1 || true
packages=$(offered "$packages")
if [ -z "$packages" ] || apt_install "$packages"; then rm -f "$log"; exit 0; fi
echo "servers: apt failed twice for: $packages" >&2
tail -n 20 "$log" >&2
rm -f "$log"
exit 1
