# shellcheck shell=sh
# Sourced by what fetches from Debian's archive: it asks the mirror that the machine itself uses, with lists and a cache
# of its own, so that what the machine's apt knows is neither used nor changed. The caller sets `apt`, the folder for
# them, and has `die`.
: "${apt:?a folder}"
# shellcheck disable=SC2034 # for the lines of sources.list
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# The mirror as apt itself reads it from the machine's settings, whichever format they are in.
told_mirror() { # options of apt-get
    # shellcheck disable=SC2016 # apt's own placeholders
    apt-get indextargets --format '$(ORIGIN) $(LABEL) $(COMPONENT) $(REPO_URI)' \
        'Created-By: Packages' "$@" | sed -n 's/^Debian Debian main //p' | head -n 1
}

find_mirror() { # sets `mirror`
    mirror=$(told_mirror)
    if [ -z "$mirror" ]; then # the origin is known only once the lists are there: here, not in the machine's own place
        mkdir -p "$apt/machine/partial" "$apt/cache"
        set -- -o Dir::State::Lists="$apt/machine" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User="$(id -un)"
        apt-get -q "$@" update >"$apt/log" 2>&1 || {
            cat "$apt/log" >&2
            die "could not read the indexes of this machine's apt sources"
        }
        mirror=$(told_mirror "$@")
        rm -rf "$apt/machine"
    fi
    [ -n "$mirror" ] || die "found no Debian mirror in this machine's apt sources"
}

private() { # apt-get or apt-cache, and its arguments; extra options in `private_options`
    tool=$1
    shift
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    # A suite's name moves on to the next release in time: that is no reason to stop.
    # shellcheck disable=SC2086 # a list of words
    "$tool" -qq -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=- \
        -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" \
        -o Acquire::AllowReleaseInfoChange=true -o APT::Sandbox::User="$(id -un)" ${private_options:-} "$@"
}
