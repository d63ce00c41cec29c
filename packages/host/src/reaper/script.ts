/**
 * The reaper's program, for any POSIX shell (about 1 MB resident, against 40 MB of a second Node).
 * Reads `add PID STARTTIME` and `del PID STARTTIME` lines; when its input ends the daemon is gone, and every process still
 * on the list that is the same process (start time, field 22 of /proc/PID/stat) gets SIGKILL. Only shell built-ins:
 * it works on a host that can no longer start programs.
 */
export const reaperScript = String.raw`
trap '' INT TERM HUP QUIT PIPE TSTP
list=' '
while read -r verb pid start; do
  entry="$pid:$start"
  case $verb in
    add) case $list in *" $entry "*) ;; *) list="$list$entry " ;; esac ;;
    del) case $list in *" $entry "*) list="${"${list%% $entry *}"} ${"${list#* $entry }"}" ;; esac ;;
  esac
done
for entry in $list; do
  pid=${"${entry%%:*}"}
  stat=
  { read -r stat < "/proc/$pid/stat"; } 2>/dev/null || continue
  set -- ${"${stat##*) }"}
  shift 19 2>/dev/null || continue
  [ "$1" = "${"${entry#*:}"}" ] && kill -9 "$pid" 2>/dev/null
done
exit 0
`;
