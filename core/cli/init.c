/* SPDX-License-Identifier: MIT */
/* hookspool init: make the folders of spool and journal, with their owner and modes. It
 * may be run again at any time and removes nothing. */
#include "config.h"

#include "cli.h"

#include "../delivery/settings.h"
#include "../delivery/spooldir.h"
#include "../error.h"

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_ACCOUNT "hookspool"

static const char *chosen_user, *chosen_group;

/* A user's name or number. -1 where it is not known. */
static bool find_user(const char *name, uid_t *uid, gid_t *gid) {
    const struct passwd *entry = getpwnam(name);
    char *end;
    unsigned long number = strtoul(name, &end, 10);
    if (entry == NULL && (*name == '\0' || *end != '\0'))
        return false;
    *uid = entry != NULL ? entry->pw_uid : (uid_t)number;
    *gid = entry != NULL ? entry->pw_gid : (gid_t)-1;
    return true;
}

static bool find_group(const char *name, gid_t *gid) {
    const struct group *entry = getgrnam(name);
    char *end;
    unsigned long number = strtoul(name, &end, 10);
    if (entry == NULL && (*name == '\0' || *end != '\0'))
        return false;
    *gid = entry != NULL ? entry->gr_gid : (gid_t)number;
    return true;
}

/* Whose the spool is to be: as asked for; else, for root, the account hookspool where
 * there is one; else the caller's. */
static bool choose_owner(const struct hsp_cli *cli, uid_t *uid, gid_t *gid) {
    const char *user = chosen_user;
    if (user == NULL && geteuid() == 0 && getpwnam(DEFAULT_ACCOUNT) != NULL)
        user = DEFAULT_ACCOUNT;
    if (user != NULL && !find_user(user, uid, gid)) {
        hsp_cli_misuse(cli, "no user '%s'", user);
        return false;
    }
    if (chosen_group != NULL && !find_group(chosen_group, gid)) {
        hsp_cli_misuse(cli, "no group '%s'", chosen_group);
        return false;
    }
    return true;
}

/* The journal's folder, where it is missing: the daemon's alone, for members of the group
 * may not read the journal. */
static enum hs_status init_journal(const char *journal, uid_t uid, gid_t gid,
                                   struct hs_error *err) {
    char *folder = strndup(journal, (size_t)(strrchr(journal, '/') - journal));
    if (folder == NULL)
        return hsp_fail(err, HS_E_NOMEM, "make the journal's folder: out of memory");
    enum hs_status status = HS_OK;
    if (*folder != '\0' && access(folder, F_OK) != 0) {
        status = hsp_make_path(folder, err);
        if (status == HS_OK && (chown(folder, uid, gid) != 0 || chmod(folder, 0700) != 0))
            status = hsp_fail_errno(err, HS_E_SPOOL, "set owner and mode of %s", folder);
    }
    free(folder);
    return status;
}

static int do_init(const struct hsp_cli *cli) {
    struct hs_error err = {0};
    uid_t uid = (uid_t)-1;
    gid_t gid = (gid_t)-1;
    if (!choose_owner(cli, &uid, &gid))
        return HSP_EXIT_FAILED;
    char *spool = hsp_cli_find_spool(cli, &err);
    if (spool == NULL)
        return hsp_cli_complain(cli, &err);
    enum hs_status status = hsp_spooldir_init(spool, uid, gid, &err);
    /* A configuration that is not right yet stops no init: the journal then is where it
     * is by default. */
    struct hsp_settings *settings = NULL;
    bool is_right = hsp_settings_load(&settings, cli->config, NULL) == HS_OK;
    if (status == HS_OK)
        status = init_journal(is_right ? settings->journal : HSP_DEFAULT_JOURNAL, uid,
                              gid, &err);
    hsp_settings_free(settings);
    if (status == HS_OK)
        printf("%s is ready\n", spool);
    free(spool);
    return status == HS_OK ? 0 : hsp_cli_complain(cli, &err);
}

static const struct hsp_option options[] = {
    {'\0', "user", "USER", "owner of the spool (default for root: " DEFAULT_ACCOUNT ")",
     HSP_OPTION_TEXT, &chosen_user},
    {'\0', "group", "GROUP", "group whose members may add events", HSP_OPTION_TEXT,
     &chosen_group},
    {.name = NULL},
};

const struct hsp_verb hsp_verb_init = {
    "init",  "",     0, 0, "make the folders of spool and journal, with owner and modes",
    do_init, options};
