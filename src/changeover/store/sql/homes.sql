-- name: move_servers
-- New paths after a restore into a home with another path. The end of each path is kept.
UPDATE servers SET
    bin_directory = replace(bin_directory, substring(data_directory from '^(.*)/servers/') || '/installations/',
                            %(home)s || '/installations/'),
    data_directory = %(home)s || substring(data_directory from '(?:/[^/]+){3}$'),
    socket_directory = %(sockets)s || substring(socket_directory from '/[^/]+$')
 WHERE host = %(host)s;

-- name: move_poolers
UPDATE poolers SET
    folder = %(home)s || substring(folder from '(?:/[^/]+){2}$'),
    socket_directory = %(sockets)s || substring(socket_directory from '/[^/]+$')
 WHERE host = %(host)s;

-- name: move_slugs
UPDATE slugs SET directory = %(home)s || substring(directory from '(?:/[^/]+){4}$');
