/* The store itself: who may open it, what becomes of an older one, and what a death or a full disk leaves. */
#include "tests/server/store_setup.h"

/* ---- Opening --------------------------------------------------------------------------------------- */

static void a_store_has_one_owner(void **state)
{
    (void)state;
    struct store *second = NULL;
    struct error err;
    assert_int_equal(store_open(scratch_path("store"), &second, &err), ERR_IO);
    assert_non_null(strstr(err.message, "in use"));
    assert_null(second);
    reopen_store();
}

static void a_file_that_is_no_database_is_refused_by_name(void **state)
{
    (void)state;
    char text[4096];
    memset(text, 'x', sizeof text);
    store_free(store);
    store = NULL;
    scratch_write("store/digitd.db", text, sizeof text);
    struct error err;
    assert_int_equal(store_open(scratch_path("store"), &store, &err), ERR_IO);
    assert_non_null(strstr(err.message, "digitd.db"));
    assert_int_equal(unlink(scratch_path("store/digitd.db")), 0);
    open_store();
}

/* The lowest byte of user_version (sqlite.org/fileformat.html, 1.3); returns what it was. */
static int write_schema_version(int version)
{
    FILE *file = fopen(scratch_path("store/digitd.db"), "r+b");
    assert_true(file && fseek(file, 63, SEEK_SET) == 0);
    int before = fgetc(file);
    assert_true(fseek(file, 63, SEEK_SET) == 0 && fputc(version, file) != EOF);
    assert_int_equal(fclose(file), 0);
    return before;
}

static void a_database_of_a_newer_program_is_refused(void **state)
{
    (void)state;
    struct error err;
    store_free(store);
    store = NULL;
    int version = write_schema_version(99);
    assert_int_equal(store_open(scratch_path("store"), &store, &err), ERR_IO);
    assert_non_null(strstr(err.message, "newer"));
    write_schema_version(version);
    open_store();
}

/* Puts a database of SQL text in the place of the store's. */
static void restore_database(const char *path)
{
    static char text[16384];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof text - 1, file);
    assert_true(feof(file));
    fclose(file);
    text[size] = '\0';
    sqlite3 *db;
    char *message = NULL;
    assert_int_equal(unlink(scratch_path("store/digitd.db")), 0);
    assert_int_equal(sqlite3_open(scratch_path("store/digitd.db"), &db), SQLITE_OK);
    if (sqlite3_exec(db, text, NULL, NULL, &message))
        fail_msg("%s", message);
    sqlite3_close(db);
}

static void an_older_database_is_brought_up_to_date(void **state)
{
    (void)state;
    char details[] = "{}";
    struct evaluation_record evaluation = {.dataset = "mnist",
                                           .split = SPLIT_TEST,
                                           .digest = "d",
                                           .accuracy = 0.5,
                                           .loss = 1,
                                           .details = details};
    struct version_record version;
    store_free(store);
    store = NULL;
    restore_database("tests/server/schema_4.sql");
    for (int i = 0; i < 2; i++) { /* and is opened as it is the second time */
        open_store();
        assert_int_equal(store_version_read(store, "digits", 1, &version, NULL), OK);
        assert_int_equal(version.parameters, 7850);
        assert_string_equal(version.aliases.items[0].name, "production");
        version_record_clear(&version);
        assert_int_equal(state_of("job_c3c8541a697e7c6a"), JOB_SUCCEEDED);
        assert_int_equal(store_evaluation_put(store, "digits", 1, &evaluation, NULL), OK);
        store_free(store);
    }
    open_store();
}

static ssize_t no_space(int file, const void *bytes, size_t size, off_t offset)
{
    (void)file, (void)bytes, (void)size, (void)offset;
    errno = ENOSPC;
    return -1;
}

/* Has SQLite write by `function`; NULL: as it did. */
static void write_by(ssize_t (*function)(int, const void *, size_t, off_t))
{
    sqlite3_vfs *system = sqlite3_vfs_find(NULL);
    assert_int_equal(system->xSetSystemCall(system, "pwrite", (sqlite3_syscall_ptr)function), SQLITE_OK);
    assert_int_equal(system->xSetSystemCall(system, "pwrite64", (sqlite3_syscall_ptr)function), SQLITE_OK);
}

static void a_full_disk_is_told_as_such_and_may_be_over(void **state)
{
    (void)state;
    char id[JOB_ID_LENGTH + 1];
    const struct job_insert insert = {.config = "{}", .queue_limit = 100};
    struct error err;
    insert_job("{}", id);
    write_by(no_space);
    enum job_insert_result result = store_job_insert(store, &insert, id, &err);
    write_by(NULL);
    assert_int_equal(result, JOB_INSERT_FAILED);
    assert_int_equal(err.code, ERR_FULL);
    assert_non_null(strstr(err.message, "full"));
    insert_job("{}", id);
    assert_int_equal(state_of(id), JOB_QUEUED);
}

static void a_folder_that_cannot_be_made_is_named(void **state)
{
    (void)state;
    scratch_write("file", "x", 1);
    struct store *other = NULL;
    struct error err;
    assert_int_equal(store_open(scratch_path("file/store"), &other, &err), ERR_IO);
    assert_non_null(strstr(err.message, "/file"));
}

/* ---- What a death or a full disk leaves ------------------------------------------------------------ */

static void what_was_acknowledged_survives_a_kill(void **state)
{
    (void)state;
    store_free(store);
    store = NULL;
    int acknowledged[2];
    assert_int_equal(pipe(acknowledged), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        open_store();
        for (;;) {
            char id[JOB_ID_LENGTH + 1];
            struct job_insert insert = {.config = "{}", .queue_limit = SIZE_MAX / 2};
            if (store_job_insert(store, &insert, id, NULL) != JOB_INSERTED ||
                write(acknowledged[1], id, sizeof id) != sizeof id)
                _exit(1);
        }
    }
    close(acknowledged[1]);
    char ids[200][JOB_ID_LENGTH + 1];
    size_t count = 0;
    while (count < 50 && read(acknowledged[0], ids[count], sizeof ids[0]) == sizeof ids[0])
        count++;
    assert_int_equal(count, 50);
    kill(child, SIGKILL);
    while (count < 200 && read(acknowledged[0], ids[count], sizeof ids[0]) == sizeof ids[0])
        count++;
    waitpid(child, NULL, 0);
    close(acknowledged[0]);

    open_store();
    for (size_t i = 0; i < count; i++)
        assert_int_equal(state_of(ids[i]), JOB_QUEUED);
}

static void a_full_disk_fails_one_write_and_no_more(void **state)
{
    (void)state;
    char before[JOB_ID_LENGTH + 1], id[JOB_ID_LENGTH + 1];
    insert_job("{}", before);

    struct rlimit unlimited, limited;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
    limited = unlimited;
    limited.rlim_cur = 100000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limited), 0);
    char *config = calloc(1, 400001);
    memset(config, 'x', 400000);
    config[0] = config[399999] = '"'; /* a string of JSON */
    struct job_insert insert = {.config = config, .queue_limit = 10};
    struct error err;
    enum job_insert_result result = store_job_insert(store, &insert, id, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
    free(config);
    assert_int_equal(result, JOB_INSERT_FAILED);
    assert_non_null(strstr(err.message, "disk"));

    insert_job("{}", id);
    reopen_store();
    int64_t count;
    assert_int_equal(store_job_count(store, &count, &err), OK);
    assert_int_equal(count, 2);
    assert_int_equal(state_of(before), JOB_QUEUED);
    assert_int_equal(state_of(id), JOB_QUEUED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_store_has_one_owner, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_is_no_database_is_refused_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(a_database_of_a_newer_program_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(an_older_database_is_brought_up_to_date, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_is_told_as_such_and_may_be_over, setup, teardown),
        cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_made_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_acknowledged_survives_a_kill, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_fails_one_write_and_no_more, setup, teardown),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
