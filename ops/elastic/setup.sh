#!/bin/sh
# Puts OpenWatt's life cycle, index templates, data view, searches and dashboard into Elasticsearch
# and Kibana. Needs sh and curl. It may be run again at any time: everything is overwritten by itself.
#
#   ELASTICSEARCH_URL  http://127.0.0.1:9200      KIBANA_URL  http://127.0.0.1:5601
#   ELASTIC_USER       elastic                    WAIT_SECONDS  300, for each of the two to be up
#   ELASTIC_PASSWORD   empty where Elasticsearch asks for none
#   KIBANA_PASSWORD    if set, the password given to Kibana's own user kibana_system
#   LOGSTASH_PASSWORD  if set, the password of the user logstash_openwatt, which is made
#
# Each password may stand in a file instead: ELASTIC_PASSWORD_FILE=/run/secrets/….
set -eu

here=$(cd "$(dirname "$0")" && pwd)
elasticsearch=${ELASTICSEARCH_URL:-http://127.0.0.1:9200}
kibana=${KIBANA_URL:-http://127.0.0.1:5601}
patience=${WAIT_SECONDS:-300}

fail() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

say() { printf 'setup: %s\n' "$*"; }

# The value of a variable, or of the file that VARIABLE_FILE names.
secret() {
  eval "value=\${$1:-} file=\${$1_FILE:-}"
  if [ -n "$file" ]; then
    [ -r "$file" ] || fail "$1_FILE names $file, which cannot be read"
    value=$(cat "$file")
  fi
  printf '%s' "$value"
}

# A text between the quotes of JSON, and of curl's configuration, which escapes alike.
quoted() { printf '%s' "$1" | sed 's/[\\"]/\\&/g'; }

password=$(secret ELASTIC_PASSWORD)
kibana_password=$(secret KIBANA_PASSWORD)
logstash_password=$(secret LOGSTASH_PASSWORD)

# No secret stands in an argument, where every process of the machine could read it.
umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
printf 'silent\nshow-error\nmax-time = 60\n' >"$work/curl"
if [ -n "$password" ]; then
  printf 'user = "%s:%s"\n' "$(quoted "${ELASTIC_USER:-elastic}")" "$(quoted "$password")" >>"$work/curl"
fi

# Prints the status of a request, 000 if there was no answer; the body is in $work/answer.
ask() {
  : >"$work/answer"
  curl --config "$work/curl" --output "$work/answer" --write-out '%{http_code}' "$@" 2>"$work/error" || true
}

# What a server said, on one line and not without end.
answer() {
  if [ -s "$work/answer" ]; then text=$(tr '\n' ' ' <"$work/answer"); else text=$(tr '\n' ' ' <"$work/error"); fi
  printf '%.600s' "$text"
}

# Asks again until $2 is in an answer 200 of the address $3. $1 is the server's name.
wait_for() {
  began=$(date +%s)
  while :; do
    status=$(ask "$3")
    case $status in
      200) if grep -q "$2" "$work/answer"; then return; fi ;;
      401 | 403) fail "$1 refuses the user ${ELASTIC_USER:-elastic}: is ELASTIC_PASSWORD right? $(answer)" ;;
    esac
    if [ $(($(date +%s) - began)) -ge "$patience" ]; then
      fail "$1 is not ready after $patience s at $3 (status $status): $(answer)"
    fi
    sleep 1
  done
}

# Sends a file as JSON and says what it was for: method, address, file, words.
send() {
  status=$(ask --request "$1" --header 'Content-Type: application/json' --data-binary "@$3" "$2")
  case $status in
    200 | 201) say "$4" ;;
    *) fail "$4: refused with status $status by $2: $(answer)" ;;
  esac
}

wait_for Elasticsearch '"status"' "$elasticsearch/_cluster/health?wait_for_status=yellow&timeout=5s"

if [ -n "$kibana_password" ]; then
  printf '{"password":"%s"}' "$(quoted "$kibana_password")" >"$work/body"
  send POST "$elasticsearch/_security/user/kibana_system/_password" "$work/body" "password of kibana_system"
fi
if [ -n "$logstash_password" ]; then
  send PUT "$elasticsearch/_security/role/openwatt_writer" "$here/writer-role.json" "role openwatt_writer"
  printf '{"password":"%s","roles":["openwatt_writer"],"full_name":"Logstash of OpenWatt"}' \
    "$(quoted "$logstash_password")" >"$work/body"
  send PUT "$elasticsearch/_security/user/logstash_openwatt" "$work/body" "user logstash_openwatt"
fi

send PUT "$elasticsearch/_ilm/policy/openwatt" "$here/lifecycle.json" "life cycle openwatt"
send PUT "$elasticsearch/_index_template/openwatt" "$here/index-template.json" "index template openwatt"
send PUT "$elasticsearch/_index_template/openwatt-dead-letters" "$here/dead-letters-template.json" \
  "index template openwatt-dead-letters"

wait_for Kibana '"level" *: *"available"' "$kibana/api/status"
status=$(ask --request POST --header 'kbn-xsrf: openwatt' --form "file=@$here/kibana.ndjson" \
  "$kibana/api/saved_objects/_import?overwrite=true")
if [ "$status" != 200 ] || ! grep -q '"success" *: *true' "$work/answer"; then
  fail "Kibana did not import kibana.ndjson (status $status): $(answer)"
fi
say "data view, searches and dashboard in Kibana: $kibana/app/dashboards#/view/openwatt-logs"
