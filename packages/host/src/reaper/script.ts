/**
 * The reaper's program, for any POSIX shell (about 1 MB resident, against 40 MB of a second Node). Reads lines:
 *   add PID STARTTIME             dies with the daemon
 *   ttl PID STARTTIME SECONDS     survives it until the host has been up for that long
 *   del PID STARTTIME             is none of its business any more
 * When its input ends the daemon is gone. Every listed process that is still the same one (start time, field 22 of
 * /proc/PID/stat) gets SIGKILL: the first kind now, with shell built-ins only, so that it works on a host that can no longer
 * start programs; the second kind when its time has come. The next daemon ends a reaper that waits, and takes over.
 */
export const reaperScript = String.raw`
trap '' INT TERM HUP QUIT PIPE TSTP
list=' '
later=' '
drop() {
  case $list in *" $1 "*) list="${"${list%% $1 *}"} ${"${list#* $1 }"}" ;; esac
  case $later in *" $1:"*)
    rest=${"${later#* $1:}"}
    later="${"${later%% $1:*}"} ${"${rest#* }"}" ;;
  esac
}
same() { # same PID STARTTIME
  stat=
  { read -r stat < "/proc/$1/stat"; } 2>/dev/null || return 1
  start=$2
  set -- ${"${stat##*) }"}
  [ $# -ge 20 ] && [ "$1" != Z ] || return 1
  shift 19
  [ "$1" = "$start" ]
}
while read -r verb pid start end; do
  entry="$pid:$start"
  drop "$entry"
  case $verb in
    add) list="$list$entry " ;;
    ttl) later="$later$entry:$end " ;;
  esac
done
for entry in $list; do
  same "${"${entry%%:*}"}" "${"${entry#*:}"}" && kill -9 "${"${entry%%:*}"}" 2>/dev/null
done
while :; do
  read -r now < /proc/uptime
  now=${"${now%%.*}"}
  nearest=
  for entry in $later; do
    pid=${"${entry%%:*}"}
    rest=${"${entry#*:}"}
    end=${"${rest#*:}"}
    same "$pid" "${"${rest%%:*}"}" || continue
    if [ "$end" -le "$now" ]; then kill -9 "$pid" 2>/dev/null; continue; fi
    left=$((end - now))
    [ "$left" -le 30 ] || left=30
    if [ -z "$nearest" ] || [ "$left" -lt "$nearest" ]; then nearest=$left; fi
  done
  [ -n "$nearest" ] || exit 0
  sleep "$nearest" || exit 1
done
`;
