-- SPDX-License-Identifier: MIT
CREATE TABLE subscribers (
	id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	address text NOT NULL UNIQUE,
	bounced boolean NOT NULL DEFAULT false
);

CREATE TABLE issues (
	id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	subject text NOT NULL,
	sent_at timestamptz
);

-- Who has got what: a job that runs twice finds its row here.
CREATE TABLE deliveries (
	issue integer NOT NULL REFERENCES issues,
	subscriber integer NOT NULL REFERENCES subscribers,
	at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (issue, subscriber)
);
