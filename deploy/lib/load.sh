# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Load every function of the workshop. Wants ROOT, the checkout.

case ${POSTRIDER_STATE_DIR:-} in
'') STATE=$ROOT/.state ;;
/*) STATE=$POSTRIDER_STATE_DIR ;;
*) STATE=$PWD/$POSTRIDER_STATE_DIR ;;
esac
CACHE=${POSTRIDER_CACHE_DIR:-$STATE/cache}
export POSTRIDER_STATE_DIR=$STATE

. "$ROOT/deploy/lib/say.sh"
trap on_unexpected_failure ERR
. "$ROOT/deploy/lib/process.sh"
. "$ROOT/deploy/lib/packages.sh"
. "$ROOT/deploy/lib/kafka.sh"
. "$ROOT/deploy/lib/postgres.sh"
. "$ROOT/deploy/lib/registry.sh"
. "$ROOT/deploy/lib/demo.sh"
. "$ROOT/deploy/lib/stack.sh"
. "$ROOT/deploy/lib/checks.sh"

mkdir -p "$STATE" "$CACHE" ||
    die "the state folder $STATE cannot be made" "Choose another with POSTRIDER_STATE_DIR=/some/folder"
