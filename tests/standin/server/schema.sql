-- Tables under the names of the real server, with the columns that the stand-in needs.
-- 000001 create_systems since 0
CREATE TABLE systems (name varchar(64) PRIMARY KEY, value varchar(1024));
CREATE TABLE licenses (id varchar(26) PRIMARY KEY, createat bigint, bytes text);
CREATE TABLE configurations (id varchar(26) PRIMARY KEY, value text NOT NULL, createat bigint NOT NULL, active boolean);
CREATE TABLE audits (id varchar(26) PRIMARY KEY, createat bigint, userid varchar(26), action varchar(512), ipaddress varchar(64));
CREATE TABLE clusterdiscovery (id varchar(26) PRIMARY KEY, type varchar(64), clustername varchar(64), hostname varchar(512), gossipport integer, createat bigint, lastpingat bigint);
-- 000002 create_users since 0
CREATE TABLE users (id varchar(26) PRIMARY KEY, createat bigint NOT NULL, updateat bigint NOT NULL, deleteat bigint NOT NULL DEFAULT 0, username varchar(64) NOT NULL UNIQUE, password varchar(512) NOT NULL, email varchar(128) NOT NULL UNIQUE, emailverified boolean NOT NULL DEFAULT false, firstname varchar(64) NOT NULL DEFAULT '', lastname varchar(64) NOT NULL DEFAULT '', nickname varchar(64) NOT NULL DEFAULT '', roles varchar(256) NOT NULL, failedattempts integer NOT NULL DEFAULT 0);
CREATE TABLE sessions (id varchar(26) PRIMARY KEY, token varchar(26) NOT NULL UNIQUE, csrf varchar(26) NOT NULL, createat bigint NOT NULL, expiresat bigint NOT NULL, userid varchar(26) NOT NULL);
CREATE TABLE status (userid varchar(26) PRIMARY KEY, status varchar(32), manual boolean, lastactivityat bigint);
CREATE TABLE preferences (userid varchar(26), category varchar(32), name varchar(32), value text, PRIMARY KEY (userid, category, name));
CREATE TABLE roles (id varchar(26) PRIMARY KEY, name varchar(64) UNIQUE, displayname varchar(128), permissions text);
CREATE TABLE schemes (id varchar(26) PRIMARY KEY, name varchar(64) UNIQUE, displayname varchar(128), scope varchar(32));
CREATE TABLE tokens (token varchar(64) PRIMARY KEY, createat bigint, type varchar(64), extra varchar(2048));
CREATE TABLE useraccesstokens (id varchar(26) PRIMARY KEY, token varchar(26) UNIQUE, userid varchar(26), description varchar(512), isactive boolean);
CREATE TABLE bots (userid varchar(26) PRIMARY KEY, description text, ownerid varchar(190), createat bigint);
-- 000003 create_teams since 0
CREATE TABLE teams (id varchar(26) PRIMARY KEY, createat bigint NOT NULL, updateat bigint NOT NULL, deleteat bigint NOT NULL DEFAULT 0, name varchar(64) NOT NULL UNIQUE, displayname varchar(64) NOT NULL, type varchar(1) NOT NULL, email varchar(128) NOT NULL);
CREATE TABLE teammembers (teamid varchar(26), userid varchar(26), roles varchar(256) NOT NULL DEFAULT '', schemeadmin boolean NOT NULL DEFAULT false, deleteat bigint NOT NULL DEFAULT 0, PRIMARY KEY (teamid, userid));
CREATE INDEX idx_teammembers_user_id ON teammembers (userid);
CREATE TABLE channels (id varchar(26) PRIMARY KEY, createat bigint NOT NULL, updateat bigint NOT NULL, deleteat bigint NOT NULL DEFAULT 0, teamid varchar(26) NOT NULL, type varchar(1) NOT NULL, displayname varchar(64) NOT NULL, name varchar(64) NOT NULL, creatorid varchar(26) NOT NULL DEFAULT '', UNIQUE (name, teamid));
CREATE TABLE channelmembers (channelid varchar(26), userid varchar(26), roles varchar(256) NOT NULL DEFAULT '', lastviewedat bigint, PRIMARY KEY (channelid, userid));
CREATE INDEX idx_channelmembers_user_id ON channelmembers (userid);
CREATE TABLE publicchannels (id varchar(26) PRIMARY KEY, deleteat bigint, teamid varchar(26), displayname varchar(64), name varchar(64));
CREATE TABLE sidebarcategories (id varchar(128) PRIMARY KEY, userid varchar(26), teamid varchar(26), displayname varchar(64));
CREATE TABLE sidebarchannels (channelid varchar(26), userid varchar(26), categoryid varchar(128), PRIMARY KEY (channelid, userid, categoryid));
-- 000004 create_posts since 0
CREATE TABLE posts (id varchar(26) PRIMARY KEY, createat bigint NOT NULL, updateat bigint NOT NULL, deleteat bigint NOT NULL DEFAULT 0, userid varchar(26) NOT NULL, channelid varchar(26) NOT NULL, rootid varchar(26) NOT NULL DEFAULT '', message varchar(65535) NOT NULL, type varchar(26) NOT NULL DEFAULT '', fileids varchar(300) NOT NULL DEFAULT '[]');
CREATE INDEX idx_posts_channel_id_create_at ON posts (channelid, createat);
CREATE INDEX idx_posts_root_id ON posts (rootid);
CREATE INDEX idx_posts_message_txt ON posts USING gin (to_tsvector('english', message));
CREATE TABLE threads (postid varchar(26) PRIMARY KEY, replycount bigint, lastreplyat bigint, channelid varchar(26));
CREATE TABLE threadmemberships (postid varchar(26), userid varchar(26), following boolean, PRIMARY KEY (postid, userid));
CREATE TABLE reactions (userid varchar(26), postid varchar(26), emojiname varchar(64), createat bigint, PRIMARY KEY (postid, userid, emojiname));
CREATE TABLE drafts (userid varchar(26), channelid varchar(26), rootid varchar(26) DEFAULT '', message varchar(65535), PRIMARY KEY (userid, channelid, rootid));
CREATE TABLE fileinfo (id varchar(26) PRIMARY KEY, creatorid varchar(26) NOT NULL, channelid varchar(26) NOT NULL, postid varchar(26) NOT NULL DEFAULT '', createat bigint NOT NULL, deleteat bigint NOT NULL DEFAULT 0, path varchar(512) NOT NULL, name varchar(256) NOT NULL, extension varchar(64) NOT NULL, size bigint NOT NULL, mimetype varchar(256) NOT NULL, width integer NOT NULL DEFAULT 0, height integer NOT NULL DEFAULT 0);
CREATE INDEX idx_fileinfo_postid ON fileinfo (postid);
-- 000005 create_integrations since 0
CREATE TABLE incomingwebhooks (id varchar(26) PRIMARY KEY, createat bigint, userid varchar(26), channelid varchar(26), teamid varchar(26));
CREATE TABLE outgoingwebhooks (id varchar(26) PRIMARY KEY, token varchar(26), createat bigint, creatorid varchar(26), teamid varchar(26));
CREATE TABLE commands (id varchar(26) PRIMARY KEY, token varchar(26), createat bigint, creatorid varchar(26), teamid varchar(26), trigger varchar(128));
CREATE TABLE emoji (id varchar(26) PRIMARY KEY, createat bigint, creatorid varchar(26), name varchar(64));
CREATE TABLE jobs (id varchar(26) PRIMARY KEY, type varchar(32), createat bigint, status varchar(32));
CREATE TABLE pluginkeyvaluestore (pluginid varchar(190), pkey varchar(150), pvalue bytea, PRIMARY KEY (pluginid, pkey));
CREATE TABLE oauthapps (id varchar(26) PRIMARY KEY, creatorid varchar(26), createat bigint, name varchar(64));
-- 000006 create_scheduled_posts since 10
-- down DROP TABLE scheduledposts
CREATE TABLE scheduledposts (id varchar(26) PRIMARY KEY, createat bigint, userid varchar(26), channelid varchar(26), message varchar(65535), scheduledat bigint);
-- 000007 create_channel_bookmarks since 11
-- down ALTER TABLE posts DROP COLUMN remoteid; DROP TABLE channelbookmarks
CREATE TABLE channelbookmarks (id varchar(26) PRIMARY KEY, ownerid varchar(26), channelid varchar(26), displayname varchar(64));
ALTER TABLE posts ADD COLUMN remoteid varchar(26);
