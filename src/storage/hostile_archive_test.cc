// The path-safety corpus, archives: whatever an archive says, nothing outside the destination
// appears or changes, and no part of a refused model is to be seen.
#include "storage/hostile.h"

namespace kinglet::storage::hostile {
namespace {

constexpr Expect kContained = Expect::kContained;
const std::string kGnu("ustar  \0", 8);

std::vector<Case> TarNames(const std::string& outside) {
  std::vector<Case> cases;
  auto refused = [&](std::string what, const std::vector<TarEntry>& entries,
                     std::string says = {}) {
    cases.push_back({"tar: " + what, Tar(entries), Expect::kRefused, std::move(says)});
  };
  auto contained = [&](std::string what, const std::vector<TarEntry>& entries) {
    cases.push_back({"tar: " + what, Tar(entries), kContained});
  };
  refused("an absolute name", {{outside + "/evil", "x"}}, "it is absolute");
  refused("several slashes first", {{"//" + outside + "/evil", "x"}}, "it is absolute");
  for (const char* name : {"../evil", "a/../../evil", "./../evil", "a/b/../../../evil", "..",
                           "a/..", "../../secret", "a/./../..//evil", "../model2/evil"}) {
    refused(fmt::format("the name {}", name), {{name, "x"}}, "it leaves its folder");
    refused(fmt::format("the folder {}", name), {{name, "", '5'}}, "it leaves its folder");
  }
  refused("after something good", {{"good", "g"}, {"../evil", "x"}}, "it leaves its folder");
  for (const char* name : {"..\\evil", "C:\\evil", "\\\\host\\evil", "a\\..\\..\\evil"}) {
    refused(fmt::format("the name {}", name), {{name, "x"}}, "backslash");
  }
  for (const char* name : {"a\nb", "a\x1b[31m", "a\x7f", "\x01"}) {
    refused("a control character", {{name, "x"}}, "control character");
  }
  refused("a split name that leaves", {{"evil", "x", '0', "", "../.."}}, "it leaves");
  refused("a split name from the root", {{"evil", "x", '0', "", outside}}, "it is absolute");
  refused("the name of a folder that is none", {{"", "x"}});
  refused("the name .", {{".", "x"}}, "it is empty");
  refused("the name /", {{"/", "x"}});
  for (const char* name : {".kinglet-complete", ".kinglet-staging/data/x", "a/.kinglet-lock"}) {
    refused(fmt::format("the name {}", name), {{name, "{}"}}, "reserved");
    refused(fmt::format("the folder {}", name), {{name, "", '5'}}, "reserved");
  }
  refused("the same file twice", {{"f", "1"}, {"f", "2"}}, "clash");
  refused("the same file by two names", {{"f", "1"}, {"./f", "2"}}, "clash");
  refused("a file, then below it", {{"f", "1"}, {"f/g", "2"}}, "clash");
  refused("below it, then a file", {{"f/g", "1"}, {"f", "2"}}, "clash");
  refused("a folder, then a file", {{"f", "", '5'}, {"f", "2"}}, "clash");
  refused("a file, then a folder", {{"f", "1"}, {"f/", "", '5'}, {"f/g", "2"}});
  contained("names that differ in case", {{"A", "1"}, {"a", "2"}});
  contained("names that look the same", {{"\xc3\xa9", "1"}, {"e\xcc\x81", "2"}});
  contained("a drive's letter", {{"C:/evil", "x"}});
  contained("names of dots", {{"...", "x"}, {"..a/..b", "y"}, {".hidden", "z"}});
  contained("bytes that are no UTF-8", {{"\xff\xfe", "x"}});
  contained("a home folder", {{"~/.ssh/authorized_keys", "x"}, {"$HOME/x", "y"}});
  contained("many dots and slashes", {{"././/.//./evil", "x"}});
  contained("a name of 100 bytes without an end", {{std::string(100, 'n'), "x"}});
  contained("a name of 255 bytes in two fields",
            {{std::string(100, 'n'), "x", '0', "", std::string(155, 'p')}});
  contained("a file with a folder's name", {{"evil/", "", '0'}, {"ok", "x"}});
  return cases;
}

std::vector<Case> TarExtensions(const std::string& outside) {
  std::vector<Case> cases;
  auto add = [&](std::string what, const std::vector<TarEntry>& entries,
                 Expect expect = Expect::kRefused, std::string says = {}) {
    cases.push_back({"tar: " + what, Tar(entries), expect, std::move(says)});
  };
  TarEntry good{"good", "x"}, link{"l", "", '2', "good"};
  add("pax path that leaves", {Pax(PaxRecord("path", "../evil")), good}, Expect::kRefused,
      "leaves");
  add("pax path from the root", {Pax(PaxRecord("path", outside + "/evil")), good}, Expect::kRefused,
      "absolute");
  add("pax path of an over-long part", {Pax(PaxRecord("path", std::string(256, 'n'))), good},
      Expect::kRefused, "too long");
  std::string deep;
  for (int i = 0; i < 2500; ++i) deep += "a/";
  add("pax path of 5,000 bytes", {Pax(PaxRecord("path", deep + "f")), good}, Expect::kRefused,
      "too long");
  add("pax path of 400 folders", {Pax(PaxRecord("path", deep.substr(0, 800) + "f")), good},
      kContained);
  add("pax path with NUL", {Pax(PaxRecord("path", std::string("ok\0/../../evil", 14))), good},
      kContained);
  add("pax path that is not UTF-8", {Pax(PaxRecord("path", "\xff/../../evil")), good});
  add("pax path for all", {Pax(PaxRecord("path", "../evil"), 'g'), good}, kContained);
  add("pax path twice", {Pax(PaxRecord("path", "a") + PaxRecord("path", "../evil")), good});
  add("two pax headers", {Pax(PaxRecord("path", "../evil")), Pax(PaxRecord("path", "a")), good},
      kContained);
  add("pax link that leaves", {Pax(PaxRecord("linkpath", "../../secret")), link}, Expect::kRefused,
      "leads out");
  add("pax link from the root", {Pax(PaxRecord("linkpath", outside + "/secret")), link},
      Expect::kRefused, "leads out");
  add("pax link of a hard link",
      {good, Pax(PaxRecord("linkpath", "../../secret")), {"h", "", '1', "good"}}, Expect::kRefused,
      "hard link");
  add("pax record longer than the header", {Pax("999 path=../evil\n"), good}, kContained);
  add("pax record of no length", {Pax("0 path=../evil\n"), good}, kContained);
  add("pax record without a number", {Pax("xx path=../evil\n"), good}, kContained);
  add("pax record of a negative length", {Pax("-14 path=../evil\n"), good}, kContained);
  add("pax record without its end", {Pax("16 path=../evil!"), good}, kContained);
  add("pax size below zero", {Pax(PaxRecord("size", "-1")), good});
  add("pax size over all", {Pax(PaxRecord("size", "9223372036854775807")), good});
  add("pax size over 64 bits", {Pax(PaxRecord("size", "99999999999999999999")), good});
  add("pax size of a little more", {Pax(PaxRecord("size", "100000")), good});
  add("pax header of 1 GiB", {{"pax", "", 'x', "", "", "10000000000"}, good});
  add("attributes of a pax header",
      {Pax(PaxRecord("SCHILY.xattr.security.capability", "\x01") + PaxRecord("uid", "0") +
           PaxRecord("SCHILY.acl.access", "user::rwx") + PaxRecord("mtime", "-99999999999")),
       good},
      kContained);
  add("sparse name that leaves",
      {Pax(PaxRecord("GNU.sparse.major", "1") + PaxRecord("GNU.sparse.minor", "0") +
           PaxRecord("GNU.sparse.name", "../evil") + PaxRecord("GNU.sparse.realsize", "1")),
       {"good", "1\n0\n1\n" + std::string(506, '\0') + "x"}});
  add("sparse size of an exabyte", {Pax(PaxRecord("GNU.sparse.size", "1152921504606846976") +
                                        PaxRecord("GNU.sparse.map", "1152921504606846975,1")),
                                    good});
  add("sparse map that goes back",
      {Pax(PaxRecord("GNU.sparse.size", "100") + PaxRecord("GNU.sparse.map", "50,10,0,-5")), good},
      kContained);
  add("sparse map of nonsense",
      {Pax(PaxRecord("GNU.sparse.size", "100") + PaxRecord("GNU.sparse.map", "a,b,c")), good},
      kContained);
  std::string map(150, '\0');  // one piece at 8 GiB, and the size at the end
  map.replace(41, 11, "77777777770");
  map.replace(53, 11, "00000000001");
  map.replace(138, 11, "77777777777");
  add("old sparse file of 8 GiB", {{"good", "x", 'S', "", "", "", "0000644", kGnu, map}});
  add("long name that leaves", {LongName(std::string(120, 'a') + "/../../evil"), good},
      Expect::kRefused, "leaves");
  add("long name from the root", {LongName(outside + "/evil"), good}, Expect::kRefused, "absolute");
  add("long name with NUL", {LongName(std::string("ok\0/../../evil", 14)), good}, kContained);
  add("long name without its file", {LongName("evil")});
  add("long name of 8 GiB", {{"././@LongLink", "", 'L', "", "", "77777777777", "0", kGnu}, good});
  add("long name below zero",
      {{"././@LongLink", "", 'L', "", "", Base256(~uint64_t{0}, true), "0", kGnu}, good});
  add("long link that leaves", {LongName("../../secret", 'K'), link}, Expect::kRefused,
      "leads out");
  add("long name, then pax", {LongName("ok"), Pax(PaxRecord("path", "../evil")), good}, kContained);
  return cases;
}

std::vector<Case> TarLinks(const std::string& outside) {
  std::vector<Case> cases;
  auto add = [&](std::string what, const std::vector<TarEntry>& entries,
                 Expect expect = Expect::kRefused, std::string says = {}) {
    cases.push_back({"tar: " + what, Tar(entries), expect, std::move(says)});
  };
  TarEntry f{"f", "1"};
  auto sym = [](std::string name, std::string to) { return TarEntry{name, "", '2', to}; };
  auto hard = [](std::string name, std::string to) { return TarEntry{name, "", '1', to}; };
  add("link from the root", {sym("l", outside + "/secret")}, Expect::kRefused, "leads out");
  add("link to /proc", {sym("l", "/proc/self/cwd/secret")}, Expect::kRefused, "leads out");
  for (const char* to :
       {"..", "../secret", "a/../../secret", "./../../secret", "../model/../secret", "..\\secret",
        "../../../../../../../../etc/passwd"}) {
    add(fmt::format("link to {}", to), {sym("l", to)}, Expect::kRefused, "leads out");
    add(fmt::format("deep link to ../{}", to), {f, sym("d/l", fmt::format("../{}", to))},
        Expect::kRefused, "leads out");
  }
  add("link to nothing", {sym("l", "")}, Expect::kRefused);
  add("link to itself", {sym("l", "l")}, Expect::kRefused, "leads out");
  add("links in a circle", {sym("a", "b"), sym("b", "a")}, Expect::kRefused, "leads out");
  std::vector<TarEntry> chain = {f};
  for (int i = 0; i < 60; ++i)
    chain.push_back(sym(fmt::format("l{}", i), fmt::format("l{}", i + 1)));
  add("a chain of 60 links", chain, Expect::kRefused, "leads out");
  std::vector<TarEntry> wide = {sym("l0", ".")};
  std::string path = "l0";
  for (int i = 1; i < 45; ++i) path += "/l0";
  wide.push_back(LongName(path + "/..", 'K'));
  wide.push_back(sym("way", "l0"));
  add("a path of 45 links", wide, Expect::kRefused, "leads out");
  add("two links that together lead out",
      {{"x/f", "1"}, sym("d/e", "../x"), sym("d/g", "e/../../f/..")}, Expect::kRefused,
      "leads out");
  add("a link that a later link turns",
      {{"p/q/x", "1"}, sym("out", "p/q/up/../../.."), sym("p/q/up", "../..")}, Expect::kRefused,
      "leads out");
  add("a link through a link that leads nowhere", {sym("a", "none/../../secret")}, Expect::kRefused,
      "leads out");
  add("a file through a link", {sym("l", "d"), {"l/x", "1"}}, Expect::kRefused, "clash");
  add("a file through a link out", {sym("l", ".."), {"l/evil", "1"}});
  add("a file through a link from the root", {sym("l", outside), {"l/evil", "1"}});
  add("a folder over a link, then a file", {sym("l", "d"), {"l", "", '5'}, {"l/x", "1"}});
  add("a link in place of a folder", {{"d/x", "1"}, sym("d", "e")}, Expect::kRefused, "clash");
  add("a link over an empty folder", {{"d", "", '5'}, sym("d", "e"), {"d/x", "1"}});
  add("a file in place of a link", {sym("l", "d"), {"l", "1"}}, Expect::kRefused, "clash");
  add("the same link twice", {sym("l", "f"), sym("l", ".."), f});
  add("a link named ..", {sym("..", "f"), f});
  add("a link named like the marker", {sym(".kinglet-complete", "f"), f}, Expect::kRefused,
      "reserved");
  add("a link of 5,000 bytes", {LongName(std::string(5000, 't'), 'K'), sym("l", "t")});
  add("a hard link out", {hard("h", "../../secret")}, Expect::kRefused, "hard link");
  add("a hard link from the root", {hard("h", outside + "/secret")}, Expect::kRefused, "hard link");
  add("a hard link to a link out", {sym("l", "../secret"), hard("h", "l")});
  add("a hard link to what is there", {hard("h", "mine")}, Expect::kRefused, "hard link");
  add("a hard link inside", {f, hard("h", "f")}, Expect::kRefused, "hard link");
  add("a hard link with bytes for a file outside", {{"h", "evil", '1', outside + "/secret"}});
  add("a link that stays", {{"d/x", "1"}, sym("e/l", "../d/x"), sym("k", "d/../e/l")}, kContained);
  add("a link to what is not there", {f, sym("l", "none")}, kContained);
  add("a link to the folder itself", {f, sym("l", ".")}, kContained);
  return cases;
}

std::vector<Case> TarContents() {
  std::vector<Case> cases;
  auto add = [&](std::string what, std::string bytes, Expect expect = Expect::kRefused,
                 std::string says = {}) {
    cases.push_back({"tar: " + what, std::move(bytes), expect, std::move(says)});
  };
  TarEntry good{"good", "x"};
  add("a character device", Tar({good, {"d", "", '3'}}), Expect::kRefused, "not a file");
  add("a block device", Tar({good, {"d", "", '4'}}), Expect::kRefused, "not a file");
  add("a fifo", Tar({good, {"d", "", '6'}}), Expect::kRefused, "not a file");
  add("a contiguous file", Tar({{"good", "x", '7'}}), kContained);
  add("an unknown kind that leaves", Tar({{"../evil", "x", 'Z'}}), Expect::kRefused, "leaves");
  add("an old GNU folder that leaves", Tar({{"../evil", "", 'D', "", "", "", "0", kGnu}}));
  add("a multi-volume part that leaves", Tar({{"../evil", "x", 'M', "", "", "", "0", kGnu}}));
  add("a volume's label", Tar({{"../evil", "", 'V', "", "", "", "0", kGnu}, good}), kContained);
  add("bits that make it run as root", Tar({{"good", "x", '0', "", "", "", "0007777"}}),
      kContained);
  add("a folder with such bits", Tar({{"d", "", '5', "", "", "", "0007777"}, {"d/x", "x"}}),
      kContained);
  add("a file nobody may read", Tar({{"good", "x", '0', "", "", "", "0000000"}}), kContained);
  add("a size below zero", Tar({{"good", "x", '0', "", "", Base256(~uint64_t{0} - 511, true)}}));
  add("a size over all", Tar({{"good", "x", '0', "", "", Base256(~uint64_t{0} >> 1)}}));
  add("a size of nonsense", Tar({{"good", "", '0', "", "", "zzzzzzzzzzz"}, {"ok", "x"}}));
  add("a size over the archive's", Tar({{"good", "x", '0', "", "", "00000777777"}}));
  add("a wrong checksum", Tar({good, {.name = "../evil", .content = "x", .wrong_sum = true}}));
  add("no magic", Tar({{"../evil", "x", '0', "", "", "", "0000644", "12345678"}}));
  std::string two = Tar({{"good", std::string(2000, 'x')}, {"b", "y"}});
  add("cut in a file", two.substr(0, 1000));
  add("cut in a header", two.substr(0, 2560 + 100));
  add("nothing but zeros", std::string(10240, '\0'));
  add("an entry after the end", Tar({good}) + Tar({{"../evil", "x"}}), kContained);
  std::vector<TarEntry> many;
  for (int i = 0; i < 501; ++i) many.push_back({fmt::format("f{}", i), ""});
  add("501 entries where 500 may be", Tar(many), Expect::kRefused, "over 500 entries");
  many.clear();
  for (int i = 0; i < 501; ++i) many.push_back({fmt::format("d{}", i), "", '5'});
  add("501 folders", Tar(many), Expect::kRefused, "over 500 entries");
  add("an archive in the archive", Tar({{"in.tar", Tar({{"../evil", "x"}})}}), kContained);

  std::string evil = Tar({{"../evil", "x"}}), fine = Tar({good, {"b", "y"}});
  std::string zeros = Tar({{"zeros", std::string(6 << 20, '\0')}});
  auto gz = [&](std::string what, std::string bytes, Expect expect = Expect::kRefused,
                std::string says = {}) {
    cases.push_back({"gzip: " + what, std::move(bytes), expect, std::move(says)});
  };
  gz("a name that leaves", Gzip(evil), Expect::kRefused, "leaves");
  gz("packed twice", Gzip(Gzip(fine)), Expect::kRefused, "more than once");
  gz("a bomb", Gzip(zeros), Expect::kRefused, "bomb");
  gz("a bomb of a bomb", Gzip(Gzip(zeros)), Expect::kRefused, "more than once");
  gz("two members", Gzip(fine.substr(0, 700)) + Gzip(fine.substr(700)), kContained);
  gz("two members, the second leaves", Gzip(evil.substr(0, 100)) + Gzip(evil.substr(100)),
     Expect::kRefused, "leaves");
  gz("ten thousand empty members", [&] {
    std::string bytes;
    for (int i = 0; i < 10'000; ++i) bytes += Gzip("");
    return bytes + Gzip(evil);
  }());
  std::string named = Gzip(fine);
  named[3] = 8;  // a name follows the header
  named.insert(10, std::string("../../evil\0", 11));
  gz("a header's name that leaves", named, kContained);
  std::string extra = Gzip(fine);
  extra[3] = 4;
  extra.insert(10, "\xff\xff");
  gz("a header's field longer than the file", extra);
  std::string sum = Gzip(fine);
  sum[sum.size() - 6] ^= 1;
  gz("cut", Gzip(two).substr(0, 30));
  gz("rubbish after it", Gzip(fine) + "../../evil", kContained);
  gz("only the header", Gzip(fine).substr(0, 10));
  gz("nothing", "");
  gz("text", "../../evil\n");
  // Formats and filters that exist in the library and are not asked for.
  gz("a cpio archive",
     "0707070000010000011006440000000000000000010000000000000000000000001000000000001../evil");
  gz("an ar archive", "!<arch>\n../evil/        0           0     0     644     1         `\nx\n");
  gz("an mtree file", "#mtree\n../evil type=file contents=/etc/passwd\n./l type=link link=/etc\n");
  gz("a uuencoded tar", "begin 644 ../evil\n#0V%T\n`\nend\n");
  gz("a shell script", "#!/bin/sh\ntouch ../evil\n");
  gz("a 7-zip file", std::string("7z\xbc\xaf\x27\x1c\x00\x04", 8) + std::string(64, '\0'));
  gz("a WARC file",
     "WARC/1.0\r\nWARC-Type: resource\r\nWARC-Target-URI: file://../evil\r\n"
     "Content-Length: 1\r\n\r\nx\r\n\r\n");
  return cases;
}

std::vector<Case> Zips(const std::string& outside) {
  std::vector<Case> cases;
  auto add = [&](std::string what, std::string bytes, Expect expect = Expect::kRefused,
                 std::string says = {}) {
    cases.push_back({"zip: " + what, std::move(bytes), expect, std::move(says)});
  };
  ZipEntry good{"good", "x"};
  for (const std::string& name :
       {std::string("../evil"), outside + "/evil", std::string("a/../../evil"), std::string(".."),
        std::string("./../evil"), std::string("a\\..\\..\\evil"), std::string("../C:\\evil"),
        std::string(".kinglet-complete"), std::string(300, 'n'), std::string(65535, 'n'),
        std::string("a\nb"), std::string("../evil/"), std::string()}) {
    add(fmt::format("the name {}", name.substr(0, 30)), Zip({{name, "x"}}));
    add(fmt::format("good, then {}", name.substr(0, 30)), Zip({good, {name, "x", true}}));
  }
  add("NUL in a name", Zip({{std::string("ok\0/../../evil", 14), "x"}}), kContained);
  add("a name that leaves in the local header only",
      Zip({{.name = "good", .content = "x", .local_name = "../evil"}}));
  add("a name that leaves in the central header only",
      Zip({{.name = "../evil", .content = "x", .local_name = "good"}}), kContained);
  std::string unicode = Little(0x7075, 2) + Little(12, 2) + "\x01" + Little(0, 4) + "../evil";
  add("a Unicode name that leaves",
      Zip({{.name = "good", .content = "x", .extra = unicode, .local_extra = unicode}}),
      kContained);
  add("the same file twice", Zip({good, good}), Expect::kRefused, "clash");
  add("a file, then below it", Zip({{"f", "1"}, {"f/g", "2"}}), Expect::kRefused, "clash");
  add("a folder, then a file", Zip({{.name = "f/", .attributes = 040755u << 16}, {"f", "2"}}));
  add("names that differ in case", Zip({{"A", "1"}, {"a", "2"}}), kContained);
  auto link = [](std::string name, std::string to) {
    return ZipEntry{.name = name, .content = to, .attributes = 0120777u << 16};
  };
  add("link from the root", Zip({link("l", outside + "/secret")}), Expect::kRefused, "leads out");
  add("link that leaves", Zip({link("l", "../secret")}), Expect::kRefused, "leads out");
  add("packed link that leaves",
      Zip({{.name = "l", .content = "../secret", .deflated = true, .attributes = 0120777u << 16}}));
  add("link with NUL", Zip({good, link("l", std::string("good\0/../../secret", 18))}), kContained);
  add("link of a MiB", Zip({{.name = "l",
                             .content = std::string(1 << 20, 'a'),
                             .deflated = true,
                             .attributes = 0120777u << 16}}));
  add("two links that together lead out",
      Zip({{"x/f", "1"}, link("d/e", "../x"), link("d/g", "e/../../f/..")}), Expect::kRefused,
      "leads out");
  add("a file through a link", Zip({link("l", "d"), {"l/x", "1"}}), Expect::kRefused, "clash");
  add("a link that stays", Zip({good, link("d/l", "../good")}), kContained);
  add("a device", Zip({{.name = "d", .attributes = 020666u << 16}}), Expect::kRefused,
      "not a file");
  add("a fifo", Zip({{.name = "d", .attributes = 010666u << 16}}), kContained);
  add("bits that make it run as root",
      Zip({{.name = "good", .content = "x", .attributes = 0106777u << 16}}), kContained);
  add("encrypted", Zip({{.name = "good", .content = std::string(20, 'x'), .flags = 1}}));
  add("strongly encrypted",
      Zip({{.name = "good", .content = std::string(20, 'x'), .flags = 0x41}}));
  for (int method : {1, 6, 14, 97, 98, 99, 65535}) {
    add(fmt::format("method {}", method),
        Zip({{.name = "good", .content = std::string(50, 'x'), .method = method}}));
  }
  add("a wrong checksum", Zip({{.name = "good", .content = "xyz", .crc = 1}}));
  add("a wrong checksum, packed",
      Zip({{.name = "good", .content = "xyz", .deflated = true, .crc = 1}}));
  add("a size over the file's",
      Zip({{.name = "good", .content = "x", .packed_size = 1 << 20, .size = 1 << 20}}));
  add("a size of 4 GiB",
      Zip({{.name = "good", .content = "x", .packed_size = 0xffffffff, .size = 0xffffffff}}));
  std::string huge = Little(1, 2) + Little(16, 2) + std::string(15, '\xff') + "\x7f";
  add("zip64 sizes over all", Zip({{.name = "good",
                                    .content = "x",
                                    .extra = huge,
                                    .local_extra = huge,
                                    .packed_size = 0xffffffff,
                                    .size = 0xffffffff}}));
  std::string shorter = Little(1, 2) + Little(4, 2) + "\x01";
  add("zip64 field that is cut", Zip({{.name = "good",
                                       .content = "x",
                                       .extra = shorter,
                                       .packed_size = 0xffffffff,
                                       .size = 0xffffffff}}));
  std::string later = "PK\x07\x08" + Little(0, 4) + Little(1 << 30, 4) + Little(1 << 30, 4);
  add("sizes that come later and lie",
      Zip({{.name = "good",
            .content = "x",
            .deflated = true,
            .flags = 8,
            .after = later,
            .sizes_later = true}}),
      kContained);
  add("a bomb", Zip({{"zeros", std::string(6 << 20, '\0'), true}}), Expect::kRefused, "bomb");
  std::vector<ZipEntry> overlap = {{"f0", std::string(900 << 10, '\0'), true}};
  for (int i = 1; i < 20; ++i) {
    // Each names the first one's bytes as its own.
    ZipEntry e = overlap[0];
    e.name = fmt::format("f{}", i);
    e.offset = 0;
    overlap.push_back(e);
  }
  add("entries that overlap", Zip(overlap), kContained);  // one of them is taken
  add("more entries than there are", Zip({good}, {.entries = 60000}), kContained);
  add("a directory outside the file", Zip({good}, {.offset = 1 << 30}), kContained);
  add("an entry outside the file", Zip({{.name = "good", .content = "x", .offset = 1 << 30}}));
  add("a comment longer than the file", Zip({good}, {.comment_size = 65535}), kContained);
  add("an archive in the comment", Zip({good}, {.comment = Zip({{"../evil", "x"}})}));
  add("something before it", std::string(5000, '#') + Zip({{"../evil", "x"}}));
  add("no directory", Zip({{"../evil", "x"}}).substr(0, 40));
  add("cut", Zip({{"good", std::string(5000, 'x')}}).substr(0, 1000));
  std::vector<ZipEntry> many;
  for (int i = 0; i < 501; ++i) many.push_back({fmt::format("f{}", i), ""});
  add("501 entries where 500 may be", Zip(many), Expect::kRefused, "over 500 entries");
  return cases;
}

class HostileArchives : public WorldFixture {};

TEST_F(HostileArchives, AreContained) {
  std::string outside = world_;
  int count = 0;
  for (auto& cases : {TarNames(outside), TarExtensions(outside), TarLinks(outside), TarContents(),
                      Zips(outside)}) {
    for (const Case& c : cases) {
      std::string archive = root_ / (c.what.starts_with("zip") ? "m.zip" : "m.tar");
      ASSERT_TRUE(WriteFileAtomic(archive, c.bytes));
      Try("file://" + archive, c);
      ++count;
    }
  }
  printf("%d hostile archives, each into a new folder and into one with content\n", count);
  EXPECT_GE(count, 200);
}

}  // namespace
}  // namespace kinglet::storage::hostile
