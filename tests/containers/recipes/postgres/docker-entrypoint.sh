#!/bin/bash
# What the stack relies on of the official image: an empty folder becomes a database with the arguments and the
# password given, the scripts of docker-entrypoint-initdb.d are run once, by a server without TCP; then it serves.
set -euo pipefail
if [[ ! -s $PGDATA/PG_VERSION ]]; then
  install -d -m 700 "$PGDATA"
  # shellcheck disable=SC2086  # several arguments in one variable
  initdb --username=postgres --pwfile="$POSTGRES_PASSWORD_FILE" $POSTGRES_INITDB_ARGS --pgdata="$PGDATA"
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  pg_ctl --pgdata="$PGDATA" --options="-c listen_addresses=''" --wait start
  export POSTGRES_USER=postgres POSTGRES_DB=postgres
  for script in /docker-entrypoint-initdb.d/*.sh; do "$script"; done
  pg_ctl --pgdata="$PGDATA" --mode=fast --wait stop
fi
exec "$@" -c listen_addresses='*'
