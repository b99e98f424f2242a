-- depends: 0002.processes
-- Since when a dyno that somebody stopped is down: nothing of it runs that could tell.

ALTER TABLE dynos ADD COLUMN stopped_at timestamptz;
