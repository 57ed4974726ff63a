/* PRAGMA integrity_check and foreign_key_check of a database that nobody has open: integrity FILE. Prints what is wrong; exit
 * code 0 if nothing is. */
#include <sqlite3.h>

#include <stdio.h>
#include <string.h>

/* Counts rows that say anything but "ok". */
static int count_fault(void *faults, int columns, char **values, char **names)
{
    (void)names;
    if (columns == 1 && values[0] && strcmp(values[0], "ok") == 0)
        return 0;
    ++*(int *)faults;
    for (int i = 0; i < columns; i++)
        printf("%s%c", values[i] ? values[i] : "", i + 1 < columns ? ' ' : '\n');
    return 0;
}

int main(int argc, char **argv)
{
    sqlite3 *db = NULL;
    int faults = 0;
    if (argc != 2)
        return 2;
    if (sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READWRITE, NULL) ||
        sqlite3_exec(db, "PRAGMA integrity_check; PRAGMA foreign_key_check", count_fault, &faults, NULL)) {
        printf("%s: %s\n", argv[1], sqlite3_errmsg(db));
        faults++;
    }
    sqlite3_close(db);
    return faults ? 1 : 0;
}
