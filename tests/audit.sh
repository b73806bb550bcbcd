#!/bin/sh
# audit.sh: what the pages of the tree name is there, and distill/AUDIT.md is whole.
#
# In every .md file, code blocks aside (fenced, or indented by four blanks):
#   names   a word in backticks of small letters and digits joined by _ (so `diffusion_elbo`, also as
#           `diffusion_elbo(x)` or within `--set t_min=0`) is a word of the sources: of C without its
#           comments, a script or the Makefile.  `_draw` stands for a name with that end.
#   tests   test_X.c is a file under tests/, and the backticked names after "test_X.c: ", or in a table's
#           column whose head names a test_X.c, are tests of it, or of tests/tools.
#   files   a word that ends in .c, .h, .sh or .md is a path from the top or from the page's folder, or
#           the end of a path; in a section "Reading order" one of the page's own folder or below.  A
#           name with capitals stands for many (objective_NAME.c), but for pages: README.md, AUDIT.md,
#           EXERCISES.md, GLOSSARY.md.  What is made under build/ is not looked for.
#   calls   any name before a bracket in backticks, `name(...)`, is followed by one in the sources.
#   links   ](FILE), ](FOLDER/) and ](FILE.md#HEADING) lead to what is there.
# Every README.md of a folder with sources has a section "Reading order".
# In distill/AUDIT.md:
#   every function that a header of diffusion/ or distill/ declares stands in backticks;
#   every row that begins with a name in backticks is a fault of tests/faults.txt and the other way
#   round, with the same file, suite and test; the fault's text occurs once in its file, in a function
#   that the row names.
case ${1-} in --help) sed -n '1d;/^#/!q;s/^#[ ]\{0,1\}//p' "$0"; exit ;; esac
set -u
cd "$(dirname "$0")/.." || exit 2
work=$(mktemp -d "${TMPDIR:-/tmp}/di4c-audit.XXXXXX") || exit 2
trap 'rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM
folders="tensor autograd nn diffusion distill experiments"
status=0

# ---- what there is ----
find . -type f ! -path './.git/*' ! -path './build/*' ! -path './out/*' | sed 's|^\./||' |
    sort > "$work/paths"
grep '\.[ch]$' "$work/paths" > "$work/c"
# Comments are taken out of C, and a line is given for each file read: "FILE" TAB text.
cat > "$work/strip.awk" <<'END'
FNR == 1 { inside = 0 }
{
    line = $0; out = ""
    while (line != "") {
        if (inside) {
            at = index(line, "*/"); if (!at) break
            line = substr(line, at + 2); inside = 0
        } else {
            at = index(line, "/*"); if (!at) { out = out line; break }
            out = out substr(line, 1, at - 1) " "; line = substr(line, at + 2); inside = 1
        }
    }
    print FILENAME "\t" out
}
END
xargs awk -f "$work/strip.awk" < "$work/c" > "$work/code"
{ cut -f 2- "$work/code"; grep '\.sh$' "$work/paths" | xargs cat Makefile; } |
    tr -cs 'A-Za-z0-9_' '\n' | grep _ | sort -u > "$work/words"
cut -f 2- "$work/code" | tr -cs 'A-Za-z0-9_(' '\n' | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)(.*/\1/p' |
    sort -u > "$work/calls"
# "SUITE TEST"; suite "tools" for those that several share.
grep '^tests/.*\.c$' "$work/paths" | xargs awk '
    /^START_TEST\(/ { name = $0; sub(/^START_TEST\(/, "", name); sub(/\).*/, "", name)
        suite = FILENAME
        if (suite ~ /^tests\/tools\//) suite = "tools"
        else { sub(/.*\/test_/, "", suite); sub(/\.c$/, "", suite) }
        print suite, name }' > "$work/tests"

# ---- pages ----
cat > "$work/pages.awk" <<'END'
function fault(text) { print "audit: " FILENAME ":" FNR ": " text; bad = 1 }
function has_end(tail,   w) {
    if (!(tail in ends)) { ends[tail] = 0
        for (w in word) if (length(w) >= length(tail) && substr(w, length(w) - length(tail) + 1) == tail) {
            ends[tail] = 1; break } }
    return ends[tail]
}
function snake(w) { return w ~ /^[a-z][a-z0-9]*(_[a-z0-9]+)+$/ }
# The words of a text that was in backticks.
function look_at_code(text,   n, i, part, rest, name) {
    rest = text
    while (match(rest, /[A-Za-z_][A-Za-z0-9_]*\(/)) {
        name = substr(rest, RSTART, RLENGTH - 1); rest = substr(rest, RSTART + RLENGTH)
        if (!(name in called)) fault("`" name "(`: nothing of that name is called in the sources")
    }
    n = split(text, part, /[^A-Za-z0-9_.\/-]+/)
    for (i = 1; i <= n; i++) {
        sub(/^[-.]+/, "", part[i]); sub(/[-.]+$/, "", part[i])
        if (snake(part[i]) && !(part[i] in word)) fault("`" part[i] "` is no word of the sources")
        else if (part[i] ~ /^(_[a-z0-9]+)+$/ && !has_end(part[i]))
            fault("`" part[i] "`: no word of the sources ends like that")
    }
}
function look_at_file(name,   base, from, here) {
    base = name; sub(/.*\//, "", base)
    if (base ~ /[A-Z]/ && base !~ /^(README|AUDIT|EXERCISES|GLOSSARY)\.md$/ || name ~ /^build\//) return
    from = folder; sub(/^\.\//, "", name)
    while (name ~ /^\.\.\// && from != "") { sub(/^\.\.\//, "", name); sub(/[^\/]*\/$/, "", from) }
    if ((name in path) || ((from name) in path)) return
    here = (name in tail) && (!reading || base ~ /^test_/ || index(" " tail[name], " " folder) > 0)
    if (!here) fault(name (name in tail ? " is not in this folder" : " is no file"))
}
function look_at_files(text,   rest, name) {
    gsub(/https?:[^ )>]*/, " ", text)
    rest = text
    while (match(rest, /[A-Za-z0-9_.\/-]*[A-Za-z0-9_]\.(c|h|sh|md)/)) {
        name = substr(rest, RSTART, RLENGTH); rest = substr(rest, RSTART + RLENGTH)
        if (rest ~ /^[A-Za-z0-9_]/) continue
        look_at_file(name)
    }
}
# Names after "test_X.c: "; or all names, where the column's head says the file.
function look_at_tests(text, suite,   given, rest, gap, item) {
    given = suite; rest = text
    while (match(rest, /test_[a-z0-9_]+\.c|`[^`]*`/)) {
        gap = substr(rest, 1, RSTART - 1); item = substr(rest, RSTART, RLENGTH)
        rest = substr(rest, RSTART + RLENGTH)
        if (item ~ /^test_/) { suite = item; sub(/^test_/, "", suite); sub(/\.c$/, "", suite); continue }
        if (suite == "") continue
        if (given == "" && gap !~ /^(: |, | and |, and )$/) { suite = ""; continue }
        gsub(/`/, "", item)
        if (snake(item) && !((suite " " item) in test) && !(("tools " item) in test))
            fault("`" item "` is no test of test_" suite ".c")
    }
}
what == "words" { word[$1] = 1; next }
what == "calls" { called[$1] = 1; next }
what == "tests" { test[$0] = 1; next }
what == "paths" { path[$0] = 1
    end = $0
    while ((at = index(end, "/")) > 0) { end = substr(end, at + 1); tail[end] = tail[end] $0 " " }
    next }
FNR == 1 { fenced = code = reading = columns = 0; folder = FILENAME
           if (!sub(/[^\/]*$/, "", folder)) folder = "" }
/^ *```/ { fenced = !fenced; next }
fenced || /^    / { next }
/^#/ { reading = /Reading order/ }
/^$/ || /^\|/ { code = 0 }
!/^\|/ { columns = 0 }
{
    look_at_files($0)
    if (/^\|/) {
        row = $0; gsub(/\\\|/, "/", row)
        n = split(row, cell, /\|/)
        if (!columns) { columns = n
            for (i = 1; i <= n; i++) {
                suite_of[i] = ""
                if (match(cell[i], /test_[a-z0-9_]+\.c/))
                    suite_of[i] = substr(cell[i], RSTART + 5, RLENGTH - 7) }
        } else for (i = 1; i <= n; i++) look_at_tests(cell[i], i in suite_of ? suite_of[i] : "")
    } else look_at_tests($0, "")
    n = split($0, part, /`/)
    for (i = 1; i <= n; i++) {
        if (code) look_at_code(part[i])
        if (i < n) code = !code
    }
}
END { exit bad }
END
grep '\.md$' "$work/paths" > "$work/pages"

# ---- links ----
cat > "$work/links.awk" <<'END'
function fault(text) { print "audit: " FILENAME ":" FNR ": " text; bad = 1 }
# What a heading is called in a link: small letters, blanks as hyphens, nothing else but digits.
function anchor(text) {
    sub(/^#+ +/, "", text); text = tolower(text); gsub(/[^a-z0-9 _-]/, "", text); gsub(/ /, "-", text)
    return text
}
function look_at(target,   from, at, heading, page) {
    if (target ~ /^[a-z]+:/) return
    at = index(target, "#")
    heading = at ? substr(target, at + 1) : ""
    page = at ? substr(target, 1, at - 1) : target
    from = folder
    while (page ~ /^\.\.\// && from != "") { sub(/^\.\.\//, "", page); sub(/[^\/]*\/$/, "", from) }
    page = page == "" ? FILENAME : from page
    if (!(page in path)) fault("](" target "): no such file or folder")
    else if (heading != "" && !((page "#" heading) in headings)) fault("](" target "): no such heading")
}
what == "paths" { path[$0] = 1
    for (at = 1; at <= length($0); at++) if (substr($0, at, 1) == "/") {
        path[substr($0, 1, at)] = 1; path[substr($0, 1, at - 1)] = 1 }
    next }
FNR == 1 { fenced = 0; folder = FILENAME; if (!sub(/[^\/]*$/, "", folder)) folder = "" }
/^ *```/ { fenced = !fenced; next }
fenced || /^    / { next }
what == "headings" { if (/^#/) headings[FILENAME "#" anchor($0)] = 1; next }
{
    rest = $0
    while (match(rest, /\]\([^)]*\)/)) {
        look_at(substr(rest, RSTART + 2, RLENGTH - 3)); rest = substr(rest, RSTART + RLENGTH)
    }
}
END { exit bad }
END
# shellcheck disable=SC2046
awk -f "$work/links.awk" what=paths "$work/paths" what=headings $(cat "$work/pages") \
    what=links $(cat "$work/pages") || status=1
xargs sh -c 'work=$1; shift
    awk -f "$work/pages.awk" what=words "$work/words" what=calls "$work/calls" \
        what=tests "$work/tests" what=paths "$work/paths" what=pages "$@"' sh "$work" < "$work/pages" || status=1

# ---- the reading order ----
for page in $(grep 'README\.md$' "$work/pages"); do
    folder=${page%README.md}
    [ -n "$folder" ] && grep -q "^$folder[^/]*\.[ch]$" "$work/paths" || continue
    line=$(grep -n '^#.*[Rr]eading order' "$page" | head -n 1 | cut -d : -f 1)
    [ -n "$line" ] || { echo "audit: $page: no section \"Reading order\""; status=1; }
done

# ---- the table of formulas ----
cat > "$work/declared.awk" <<'END'
# Functions that headers declare.  In: lines of strip.awk.
function declared(text,   at) {
    at = index(text, "(")
    if (!at || text ~ /^[ }]*typedef/) return
    text = substr(text, 1, at - 1)
    sub(/ +$/, "", text); sub(/.*[^A-Za-z0-9_]/, "", text)
    if (text != "") print text
}
{
    at = index($0, "\t"); file = substr($0, 1, at - 1); line = substr($0, at + 1)
    if (file !~ /^(diffusion|distill)\/.*\.h$/ || line ~ /^ *#/) next
    for (i = 1; i <= length(line); i++) {
        c = substr(line, i, 1)
        if (c == "{") { if (depth++ == 0) declared(text) }
        else if (c == "}") { if (--depth == 0) text = "}" }
        else if (depth == 0 && c == ";") { declared(text); text = "" }
        else if (depth == 0) text = text c
    }
    text = text " "
}
END
awk -f "$work/declared.awk" "$work/code" | sort -u > "$work/functions"
tr '`' '\n' < distill/AUDIT.md | grep -x '[a-z0-9_]*' | sort -u > "$work/named"
missing=$(comm -23 "$work/functions" "$work/named")
[ -z "$missing" ] || { echo "audit: distill/AUDIT.md does not have:"; echo "$missing"; status=1; }

cat > "$work/rows.awk" <<'END'
function fault(text) { print "audit: " text; bad = 1 }
function trim(text) { sub(/^[ `]+/, "", text); sub(/[ `]+$/, "", text); return text }
FILENAME == "tests/faults.txt" {
    if (/^#/) next
    if (/^$/) { id = ""; next }
    key = $1; value = $0; sub(/^[a-z]+ ?/, "", value)
    if (key == "id") {
        id = value
        if (id in file) fault("tests/faults.txt: " id " is there twice")
        name[++faults] = id }
    else if (id == "") fault("tests/faults.txt:" FNR ": a paragraph that does not begin with an id")
    if (key == "file") file[id] = value
    else if (key == "old") old[id] = value
    else if (key == "new") new[id] = value
    else if (key == "suite") suite[id] = value
    else if (key == "test") test[id] = value
    else if (key != "id" && key != "case") fault("tests/faults.txt:" FNR ": key " key " is unknown")
    next
}
/^\| *`/ {
    row = $0; gsub(/\\\|/, "/", row)
    if (split(row, cell, /\|/) != 10) { next }
    id = trim(cell[2]); seen[id]++; rows++; functions[id] = cell[5]
    here = "distill/AUDIT.md:" FNR ": " id
    if (!(id in file)) { fault(here " is not in tests/faults.txt"); next }
    if (trim(cell[6]) != file[id]) fault(here ": file " trim(cell[6]) ", its fault is in " file[id])
    if (trim(cell[7]) != "test_" suite[id] ".c: `" test[id])
        fault(here ": " trim(cell[7]) "`, its fault says test_" suite[id] ".c: `" test[id] "`")
}
END {
    for (i = 1; i <= faults; i++) {
        id = name[i]
        here = "tests/faults.txt: " id
        if (seen[id] != 1) fault(here " is in " seen[id] + 0 " rows of distill/AUDIT.md, expected 1")
        if (old[id] == "" || new[id] == "" || old[id] == new[id] || suite[id] == "" || test[id] == "")
            fault(here ": expected old, new (another text), suite and test")
        found = 0; holder = inside = ""
        while ((getline line < file[id]) > 0) {
            if (line ~ /^[A-Za-z][^;=]*\(/) { # the first line of a function
                inside = line; sub(/\(.*/, "", inside); sub(/.*[^A-Za-z0-9_]/, "", inside) }
            at = index(line, old[id])
            if (at) holder = inside
            if (at) found += index(substr(line, at + length(old[id])), old[id]) ? 2 : 1
        }
        close(file[id])
        if (found != 1) fault(here ": its text is " found " times in " file[id] ", expected once")
        if (index(functions[id], "`" holder "`") == 0)
            fault("distill/AUDIT.md: " id ": its fault lies in `" holder "`, which the row does not name")
    }
    print rows + 0, faults + 0
    exit bad
}
END
awk -f "$work/rows.awk" tests/faults.txt distill/AUDIT.md > "$work/rows" || status=1
grep '^audit:' "$work/rows"
[ $status = 0 ] && echo "audit: $(wc -l < "$work/pages" | tr -d ' ') pages name what is there;" \
    "distill/AUDIT.md has all $(wc -l < "$work/functions" | tr -d ' ') functions and" \
    "$(tail -n 1 "$work/rows" | cut -d ' ' -f 1) rows with a fault each"
exit $status
