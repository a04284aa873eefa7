copy incoming_tempo_days (day, observed_at, colour, document, note) from stdin
