#!/bin/sh
# Run once by PostgreSQL's image, when its data is created: the service's own role, which is no superuser.
# It may create roles, because migrations make one that can only read and insert, and databases: a restore does.
set -eu
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'END'
\set password `cat "${SECRETS:-/run/secrets}/openwatt_password"`
create role openwatt login createdb createrole password :'password';
create database openwatt owner openwatt;
END
