/* SPDX-License-Identifier: MIT */
/* Images: pg_dump's text trimmed and renamed, rows and positions as SQL, two images compared. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/image.h"
#include "tests/unit/unit.h"

static void
assert_renamed(const char *text, const char *wanted)
{
	char *made = image_rename(text, "test_a_1", "other");

	assert_string_equal(made, wanted);
	free(made);
}

static void
a_name_is_renamed_where_it_stands_as_a_word(void **state)
{
	assert_renamed("CREATE TABLE test_a_1.users ()", "CREATE TABLE other.users ()");
	assert_renamed("SET search_path = test_a_1, public", "SET search_path = other, public");
	assert_renamed("'test_a_1'::regclass; \"test_a_1\"", "'other'::regclass; \"other\"");
	assert_renamed("test_a_1", "other");
	assert_renamed("$in$test_a_1$in$", "$in$other$in$");
	assert_renamed("", "");
}

static void
a_longer_name_that_contains_it_stays(void **state)
{
	assert_renamed("test_a_12.t my_test_a_1.t test_a_1_x", "test_a_12.t my_test_a_1.t test_a_1_x");
	assert_renamed("\xc3\xa9test_a_1 test_a_1\xc3\xa9", "\xc3\xa9test_a_1 test_a_1\xc3\xa9");
}

static void
a_dump_loses_what_is_of_pg_dump_and_keeps_the_rest(void **state)
{
	char dump[] = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\nSET transaction_timeout = 0;\n"
	              "\n--\n-- Name: test_a_1; Type: SCHEMA\n--\n\nCREATE SCHEMA test_a_1;\n\n"
	              "\n--\n-- Name: SCHEMA test_a_1; Type: COMMENT\n--\n\nCOMMENT ON SCHEMA test_a_1 IS 'berth runner=1';\n\n"
	              "SET default_tablespace = '';\n\nCREATE TABLE test_a_1.t ();\n\n"
	              "\n--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n\n";

	image_trim(dump, "test_a_1");
	assert_null(strstr(dump, "restrict"));
	assert_null(strstr(dump, "transaction_timeout"));
	assert_null(strstr(dump, "CREATE SCHEMA"));
	assert_null(strstr(dump, "berth runner"));
	assert_non_null(strstr(dump, "SET default_tablespace"));
	assert_non_null(strstr(dump, "CREATE TABLE test_a_1.t ();"));
}

static void
assert_policy(const char *said, const char *wanted)
{
	char dump[4096], expected[4096];

	snprintf(dump, sizeof dump, "\n--\n-- Name: p; Type: POLICY; Schema: s; Owner: -\n--\n\n%s;\n", said);
	snprintf(expected, sizeof expected, "\n\n%s;\n", wanted);
	image_trim(dump, "own");
	assert_non_null(strstr(dump, expected));
}

static void
the_roles_of_a_policy_have_one_order(void **state)
{
	char many[2048] = "CREATE POLICY p ON t TO z";

	assert_policy("CREATE POLICY p ON own.t TO reader, own USING (true)", "CREATE POLICY p ON own.t TO own, reader USING (true)");
	assert_policy("CREATE POLICY p ON own.t TO own, reader", "CREATE POLICY p ON own.t TO own, reader");
	assert_policy("CREATE POLICY \"a TO z, b\"\"\" ON own.\"t TO u\" AS RESTRICTIVE FOR SELECT TO zz, \"b, c\", own WITH CHECK (a)",
	              "CREATE POLICY \"a TO z, b\"\"\" ON own.\"t TO u\" AS RESTRICTIVE FOR SELECT TO own, \"b, c\", zz WITH CHECK (a)");
	assert_policy("CREATE POLICY p ON own.t USING ((a = ' TO z, a'))", "CREATE POLICY p ON own.t USING ((a = ' TO z, a'))");
	for (int i = 0; i < 100; i++)
		strcat(many, ", a");
	assert_policy(many, many);
}

static void
privileges_are_the_end_of_a_dump(void **state)
{
	char dump[] = "\n--\n-- Name: t; Type: TABLE; Schema: s; Owner: -\n--\n\nCREATE TABLE s.t ();\n"
	              "\n--\n-- Name: TABLE t; Type: ACL; Schema: s; Owner: -\n--\n\nREVOKE ALL ON TABLE s.t FROM s;\n";
	char none[] = "\n--\n-- Name: t; Type: TABLE; Schema: s; Owner: -\n--\n\nCREATE TABLE s.t ();\n";

	assert_ptr_equal(strstr(image_privileges(dump), "REVOKE"), strstr(dump, "REVOKE"));
	assert_null(strstr(image_privileges(dump), "CREATE TABLE"));
	assert_string_equal(image_privileges(none), "");
}

static void
a_dump_of_nothing_is_nothing(void **state)
{
	char dump[] = "--\n-- PostgreSQL database dump\n--\n\nSET x = 1;\n\n--\n-- PostgreSQL database dump complete\n--\n";

	image_trim(dump, "test_a_1");
	assert_string_equal(dump, "");
}

static struct image *
sample(const char *schema, const char *rows, int64_t last)
{
	struct image *image = image_new(schema);
	struct sql text = { 0 };

	sql_add(&text, "\nCREATE TABLE %s.users ();\n", schema);
	image_set_definitions(image, text.text, "");
	image_add_table(image, "users", "id, name", rows, 2);
	image_add_table(image, "empty", "id", NULL, 0);
	image_add_sequence(image, "users_id_seq", last, true);
	sql_fini(&text);
	return image;
}

static void
images_are_equal_whatever_their_schemas_are_called(void **state)
{
	struct image *one = sample("test_a_1", "{\"(1,a)\"}", 2), *same = sample("test_b_2", "{\"(1,a)\"}", 2);
	struct image *rows = sample("test_b_2", "{\"(1,b)\"}", 2), *position = sample("test_b_2", "{\"(1,a)\"}", 3);
	char why[300];

	assert_true(image_equal(one, same, why, sizeof why));
	assert_false(image_equal(one, rows, why, sizeof why));
	assert_non_null(strstr(why, "users"));
	assert_false(image_equal(one, position, why, sizeof why));
	assert_non_null(strstr(why, "users_id_seq"));
	image_set_definitions(same, "\nCREATE TABLE test_b_2.users (x int);\n", "");
	assert_false(image_equal(one, same, why, sizeof why));
	assert_non_null(strstr(why, "x int"));
	image_unref(one);
	image_unref(same);
	image_unref(rows);
	image_unref(position);
}

static void
rows_are_written_with_their_own_columns_and_quotes(void **state)
{
	struct image *image = sample("test_a_1", "{\"(1,it's)\"}", 2);
	struct sql sql = { 0 };

	image_write_table(&image->tables[0], "slot", &sql);
	assert_string_equal(sql.text, "INSERT INTO \"slot\".users (id, name) OVERRIDING SYSTEM VALUE SELECT id, name "
	                              "FROM unnest('{\"(1,it''s)\"}'::\"slot\".users[])");
	sql_clear(&sql);
	image_write_table(&image->tables[1], "slot", &sql);
	assert_int_equal(sql.len, 0);
	image_write_end(image, "slot", &sql);
	assert_non_null(strstr(sql.text, "setval(''\"slot\".users_id_seq'', 2, true)"));
	sql_fini(&sql);
	image_unref(image);
}

static void
an_empty_image_writes_nothing(void **state)
{
	struct image *image = image_new("test_a_1");
	struct sql sql = { 0 };

	image_write_before(image, "slot", &sql);
	image_write_rows(image, "slot", &sql);
	image_write_after(image, "slot", &sql);
	image_write_end(image, "slot", &sql);
	assert_int_equal(sql.len, 0);
	image_unref(image);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_renamed_where_it_stands_as_a_word),
		cmocka_unit_test(a_longer_name_that_contains_it_stays),
		cmocka_unit_test(a_dump_loses_what_is_of_pg_dump_and_keeps_the_rest),
		cmocka_unit_test(the_roles_of_a_policy_have_one_order),
		cmocka_unit_test(privileges_are_the_end_of_a_dump),
		cmocka_unit_test(a_dump_of_nothing_is_nothing),
		cmocka_unit_test(images_are_equal_whatever_their_schemas_are_called),
		cmocka_unit_test(rows_are_written_with_their_own_columns_and_quotes),
		cmocka_unit_test(an_empty_image_writes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
