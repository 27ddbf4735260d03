# SPDX-License-Identifier: MIT
# HS_COLLECTD: look for the headers of collectd 5, as a package installs them (Debian's
# collectd-dev) or in a configured source tree. Sets enable_collectd to yes or no and
# COLLECTD_CPPFLAGS. A headers' version whose write callback is another one (6.0) compiles
# with a mere warning and would crash, so the test makes that warning an error.
AC_DEFUN([HS_COLLECTD], [
AC_ARG_ENABLE([collectd],
  [AS_HELP_STRING([--disable-collectd], [leave out write_hookspool.so (collectd)])],
  [], [enable_collectd=auto])
AC_ARG_WITH([collectd],
  [AS_HELP_STRING([--with-collectd=DIR], [prefix of collectd's headers, or its configured source tree @<:@/usr@:>@])],
  [collectd_prefix=$withval], [collectd_prefix=/usr])
COLLECTD_CPPFLAGS=
AS_IF([test "$enable_collectd" != no], [
  AC_MSG_CHECKING([for the headers of collectd 5])
  HS_COLLECTD_TRY([-DHAVE_CONFIG_H -isystem $collectd_prefix/include/collectd -isystem $collectd_prefix/include/collectd/core -isystem $collectd_prefix/include/collectd/core/daemon])
  HS_COLLECTD_TRY([-DHAVE_CONFIG_H -isystem $collectd_prefix/src -isystem $collectd_prefix/src/daemon])
  AC_MSG_RESULT([$hs_collectd_found])
  AS_CASE(["$hs_collectd_found"],
    [yes], [enable_collectd=yes],
    [other], [AS_IF([test "$enable_collectd" = auto],
      [AC_MSG_WARN([collectd in $collectd_prefix is not version 5 (its write callback takes other arguments, as in 6.0): write_hookspool.so is left out])
       enable_collectd=no],
      [AC_MSG_ERROR([collectd in $collectd_prefix is not version 5: its write callback takes other arguments, as in 6.0, which is not supported])])],
    [AS_IF([test "$enable_collectd" = auto], [enable_collectd=no],
      [AC_MSG_ERROR([no headers of collectd in $collectd_prefix; on Debian: apt install collectd-dev])])])
])
AC_SUBST([COLLECTD_CPPFLAGS])
AM_CONDITIONAL([ENABLE_COLLECTD], [test "$enable_collectd" = yes])
])

# HS_COLLECTD_TRY(FLAGS): hs_collectd_found is yes (they do), other (they find headers
# with other callbacks) or no.
AC_DEFUN([HS_COLLECTD_TRY], [
AS_IF([test "${hs_collectd_found:-no}" = no], [
  hs_collectd_found=no
  hs_saved_CPPFLAGS=$CPPFLAGS
  hs_saved_CFLAGS=$CFLAGS
  CPPFLAGS="$1 $CPPFLAGS"
  CFLAGS="$CFLAGS -std=gnu11 -Werror=incompatible-pointer-types"
  AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include "collectd.h"
#include "plugin.h"
#include "utils_cache.h"
]], [[]])], [
    hs_collectd_found=other
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[#include "collectd.h"
#include "plugin.h"
#include "utils_cache.h"
static int values(const data_set_t *ds, const value_list_t *vl, user_data_t *ud)
{ (void)ds; (void)vl; (void)ud; return 0; }
]], [[plugin_write_cb callback = values;
gauge_t *(*rate)(const data_set_t *, const value_list_t *) = uc_get_rate;
return callback == 0 || rate == 0;]])],
      [hs_collectd_found=yes
       COLLECTD_CPPFLAGS="$1"])])
  CPPFLAGS=$hs_saved_CPPFLAGS
  CFLAGS=$hs_saved_CFLAGS
])
])
