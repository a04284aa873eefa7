"""The way of a log record to Logstash: a ring in memory, a spool on disk, a transport."""
