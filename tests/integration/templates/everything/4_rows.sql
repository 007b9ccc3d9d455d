-- SPDX-License-Identifier: MIT
-- Seed rows with values of every kind, and where the sequences stand.

INSERT INTO people (name, mail, mood, shared, born, nick) VALUES
	('it''s', 'a@b', NULL, 'one', '1900-02-03', NULL), ('back\slash \n \\x41', 'c@d', 'back\slash', NULL, NULL, 'NICK'),
	('ünï ☃ 😀', 'e@f', 'happy, or so', 'two', '9999-12-31', 'nick of "quotes"'), ('forever', 'g@h', 'ok', 'it''s', 'infinity', '{a,b}'),
	('', 'i@j', 'blue', 'one', '2000-01-01', ' '), ('change it', 'k@l', 'curious', 'two', '2000-01-01', ''),
	(E'line\nfeed\ttab\rcr\x01', 'm@n', 'last', 'one', '2000-02-29', 'NULL');
UPDATE people SET boss = 10 WHERE id > 15;
UPDATE people SET boss = 25 WHERE id = 10;
UPDATE people SET extra = '{"k": "v\"\\ \u2603", "n": 1.50, "e": [], "big": 123456789012345678901234567890.5}' WHERE id = 20;
UPDATE people SET moods = NULL WHERE id = 15;

INSERT INTO types DEFAULT VALUES;
INSERT INTO types (f8, f4, n, b, t, c, v, ts, tz, d, i, ti, tt, u) VALUES
	('NaN', '-0', 'NaN', '\x00ff5c27', '', 'ab', 'v', 'infinity', '-infinity', '-infinity', '-1 mon +2 days -3:04:05.6', '24:00', '01:02:03+04', '00000000-0000-0000-0000-000000000001'),
	('-0', 'Infinity', 'Infinity', '', E'\\', '     ', ' ', '0001-01-01 00:00:00 BC', '2020-06-07 08:09:10.123456+05:30', '4713-01-01 BC', '178000000 years', '00:00', '23:59:59.999999-15:59', NULL),
	('-Infinity', '1.1754944e-38', '-Infinity', decode(md5('b'), 'hex'), 'NULL', NULL, '', '294276-12-31 23:59:59.999999', '1883-11-18 12:03:58+00', '5874897-12-31', '0', NULL, NULL, NULL),
	(0.1 + 0.2::float8, 16777217, 1e-30, '\xdeadbeef', '{}', '{', '"', NULL, NULL, NULL, '1 year 1 day', NULL, NULL, NULL),
	(5e-324, 3.4028235e38, 12345678901234567890.1234567890000, NULL, '\N', '\.', '\t', NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO types (j, jb, x, r, tr, mr, pr, ps, ia, taa, pa, p, n_, e, bt, bv, ip, mac, m) VALUES
	('{"b" : 1, "a":  2, "b":3}', 'null', '<a b="c">d&amp;</a>', 'empty', '[2020-01-01 00:00+00,)', '{[1,3),[5,8)}', '(1.5,2.50]', '{[1,2],(3,4)}',
	 '{}', '{{a,NULL},{"NULL","it''s"}}', ARRAY[ROW(1, 'x', 2)::pair, NULL, ROW(NULL, NULL, NULL)::pair], ROW(3, ',"()\', 1.5), ROW(ROW(1, 'in', 0.5), 'it''s', ARRAY[ROW(9, '{}', NULL)::pair], 5), 'happy, or so',
	 '1010', '1', '10.0.0.1/8', '08:00:2b:01:02:03', '1234.56'),
	('[]', '"\\u"', '', '(,)', 'empty', '{}', '(,)', '{}', '[2:4]={7,NULL,8}', '{}', '{}', ROW(NULL, '', NULL), NULL, NULL, '0000', '', '::1', NULL, '-0.01'),
	(NULL, '[1.0, 1.10, 1e5]', NULL, '[1,5]', NULL, NULL, NULL, NULL, '{{{1,2},{3,4}},{{5,6},{7,8}}}', '[0:0][3:4]={{"a b","\\"}}', ARRAY[[ROW(1, 'a', 0)::pair], [ROW(2, 'b', 0)::pair]], NULL, ROW(NULL, NULL, '{}', NULL), 'blue', NULL, NULL, NULL, NULL, NULL);
INSERT INTO types (pt, po, bx, bxs, tsv, tsq, bo, ch, na, ox, hs, lsn, emp) VALUES
	('(-0,1e300)', '((0,0),(1,1),(1,0))', '(1,2),(3,-4)', '{(1,1),(0,0);(3,4),(2,2)}', 'a:1A ''it''''s'':2', 'a & !(b | ''c d'':*)', true, '\', 'it''s', 4294967295, '"a"=>NULL, "b c"=>"\"", ""=>""', 'FF/FF', ROW()),
	(NULL, NULL, NULL, '{}', '', '', false, '', '', 0, '', '0/0', NULL);

BEGIN;
INSERT INTO hens VALUES (1, 1, NULL, NULL), (2, 2, NULL, NULL);
INSERT INTO eggs VALUES (1, 2), (2, 1);
COMMIT;
UPDATE hens SET wing = 1, feather = 2 WHERE id = 2;
INSERT INTO orders VALUES (1, 10, 1, 'one'), (1, 15, 2, 'two'), (2, NULL, DEFAULT, NULL);
INSERT INTO parcels VALUES (1, 1, 1), (2, NULL, 9);
ALTER TABLE parcels DROP CONSTRAINT of_order;
INSERT INTO parcels VALUES (3, 99, 99);
ALTER TABLE parcels ADD CONSTRAINT of_order FOREIGN KEY (order_id, line) REFERENCES orders ON DELETE SET NULL (line) NOT VALID;

INSERT INTO "select" VALUES ('u', 1, DEFAULT, 'o', 2);
INSERT INTO "Say ""hi"", it's \ 100% $1 ünïcode" VALUES (1, NULL, DEFAULT, 'a''b\c"d');
INSERT INTO "a name of exactly sixty-three bytes, which is the most there is" VALUES (63);
INSERT INTO no_columns SELECT FROM generate_series(1, 3);
INSERT INTO no_columns_left SELECT 1 FROM generate_series(1, 2);
ALTER TABLE no_columns_left DROP COLUMN a;
INSERT INTO unlogged (a) VALUES ('one'), ('two');
INSERT INTO wide SELECT 4, 'x', (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 20000) i);
INSERT INTO wide SELECT 5, 'x', repeat('compresses well ', 100000);
INSERT INTO typed (a) VALUES (1);
INSERT INTO mother (name, common) VALUES ('m1', 1);
INSERT INTO child (common, own, beard) VALUES (1, 2, false);
INSERT INTO adopted VALUES (99, 'ad', 1, 'o');
INSERT INTO grandchild (common, own, name) VALUES (5, 6, 'gc');
INSERT INTO orphaned DEFAULT VALUES;
INSERT INTO logs VALUES ('1999-01-01', 'a', 1), ('2020-05-05', 'it''s', 11), ('2020-05-05', 'z', 1), ('2021-01-01', 'q', 12);
INSERT INTO logs VALUES ('2020-06-06', 'b', DEFAULT, 1000);
INSERT INTO logs_gone VALUES ('2030-05-05', 'g', 1, 1);
INSERT INTO buckets SELECT 'k' || g, g FROM generate_series(1, 20) g;
INSERT INTO by_expression VALUES ('Aa', 5), ('zz', -5);
INSERT INTO log_notes VALUES ('2020-06-06', 'b', 1000), (NULL, NULL, NULL);
INSERT INTO quiet VALUES (1, 'one'), (6, 'six');
INSERT INTO secrets VALUES (DEFAULT, 'mine');
ALTER TABLE secrets DISABLE ROW LEVEL SECURITY;
INSERT INTO secrets VALUES ('somebody else', 'theirs');
ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;
INSERT INTO asleep VALUES (1), (2);
INSERT INTO forced VALUES (1, 'hidden'), (2, NULL);
CREATE POLICY none ON forced USING (false) WITH CHECK (false);
ALTER TABLE forced ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
INSERT INTO only_read VALUES (1, 'x', 2), (3, NULL, NULL);
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON only_read FROM CURRENT_USER;

SELECT nextval('called_seq'), nextval('called_seq'), setval('set_seq', 41), setval('set_not_called_seq', 100, false);
SELECT nextval('down_seq'), nextval('exhausted_seq'), nextval('exhausted_seq'), nextval('exhausted_seq');

REFRESH MATERIALIZED VIEW counted;
REFRESH MATERIALIZED VIEW recounted;
REFRESH MATERIALIZED VIEW of_views;
