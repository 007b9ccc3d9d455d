-- SPDX-License-Identifier: MIT
-- Types, domains, operators, collations, text search: whatever tables are made of.
-- @schema@ is the slot's own name; a line of "-- next" ends a transaction.

CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy, or so', 'it''s', 'back\slash');
CREATE TYPE "Odd Mood" AS ENUM ('ä', ' ');
CREATE TYPE no_labels AS ENUM ();
-- next
ALTER TYPE mood ADD VALUE 'curious' BEFORE 'ok';
ALTER TYPE mood ADD VALUE 'last' AFTER 'it''s';
ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';
-- next
CREATE DOMAIN positive AS integer CONSTRAINT above_zero CHECK (VALUE > 0);
CREATE DOMAIN small AS positive DEFAULT 1 CONSTRAINT below_100 CHECK (VALUE < 100);
CREATE DOMAIN "e-mail" AS text COLLATE "C" DEFAULT 'nobody@example.org' NOT NULL
	CONSTRAINT "has an @" CHECK (VALUE LIKE '%@%');
CREATE DOMAIN moods AS mood[] CHECK (cardinality(VALUE) < 10);

CREATE TYPE pair AS (a integer, gone date, b text COLLATE "C");
ALTER TYPE pair ADD ATTRIBUTE c numeric(10, 2);
ALTER TYPE pair DROP ATTRIBUTE gone;
CREATE TYPE nested AS (p pair, "the mood" mood, list pair[], d small);
CREATE TYPE nothing AS ();
CREATE TYPE price_range AS RANGE (subtype = numeric, multirange_type_name = price_spans);
CREATE TYPE word_range AS RANGE (subtype = text, collation = "C");

CREATE COLLATION numbers_in_order (provider = icu, locale = 'en-u-kn-true', deterministic = false);
CREATE COLLATION "as bytes" FROM "C";
CREATE CONVERSION from_latin1 FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;

CREATE TEXT SEARCH DICTIONARY words (TEMPLATE = simple, stopwords = 'english', accept = false);
CREATE TEXT SEARCH CONFIGURATION sentences (COPY = pg_catalog.english);
ALTER TEXT SEARCH CONFIGURATION sentences ALTER MAPPING FOR asciiword, word WITH words, english_stem;
ALTER TEXT SEARCH CONFIGURATION sentences DROP MAPPING FOR email;

-- Operators that name each other before both are there.
CREATE FUNCTION pair_equal(pair, pair) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT
	RETURN ($1).a = ($2).a AND ($1).b = ($2).b;
CREATE FUNCTION pair_differs(pair, pair) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT
	RETURN NOT pair_equal($1, $2);
CREATE OPERATOR === (LEFTARG = pair, RIGHTARG = pair, FUNCTION = pair_equal,
	COMMUTATOR = ===, NEGATOR = !==, RESTRICT = eqsel, JOIN = eqjoinsel);
CREATE OPERATOR !== (LEFTARG = pair, RIGHTARG = pair, FUNCTION = pair_differs,
	COMMUTATOR = !==, NEGATOR = ===);
CREATE FUNCTION sign_of(pair) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT sign(($1).a)::integer';
CREATE OPERATOR @@@ (RIGHTARG = pair, FUNCTION = sign_of);

COMMENT ON TYPE mood IS 'how one is; in @schema@, and it''s a "type"';
COMMENT ON TYPE pair IS E'two\nlines, a tab\t and a \\';
COMMENT ON COLUMN pair.b IS 'an attribute';
COMMENT ON DOMAIN "e-mail" IS 'a domain';
COMMENT ON CONSTRAINT "has an @" ON DOMAIN "e-mail" IS 'of a domain';
COMMENT ON TYPE price_range IS 'a range';
COMMENT ON COLLATION "as bytes" IS 'a collation';
COMMENT ON CONVERSION from_latin1 IS 'a conversion';
COMMENT ON TEXT SEARCH DICTIONARY words IS 'a dictionary';
COMMENT ON TEXT SEARCH CONFIGURATION sentences IS 'a configuration';
COMMENT ON OPERATOR === (pair, pair) IS 'an operator';
COMMENT ON OPERATOR @@@ (NONE, pair) IS 'a prefix operator';
