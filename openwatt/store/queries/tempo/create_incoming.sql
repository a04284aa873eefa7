-- Colours are copied here before they are compared with what is stored.
create temporary table incoming_tempo_days (
    day date, observed_at timestamptz, colour text, document text, note text
) on commit drop
