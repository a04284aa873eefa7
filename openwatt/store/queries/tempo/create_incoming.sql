-- Where colours are copied to before they are compared with what is kept.
create temporary table incoming_tempo_days (
    day date, observed_at timestamptz, colour text, document text, note text
) on commit drop
