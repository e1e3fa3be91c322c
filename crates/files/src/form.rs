//! Recognises what a file is by its first bytes.

use std::fmt;

/// The form of a file, as far as its first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// No bytes.
    Empty,
    /// The text that Git leaves in place of a large file whose content was not fetched.
    GitLfsPointer,
    /// A web page, which a download leaves after an error or a login page.
    Html,
    /// The list of shards beside safetensors files: `model.safetensors.index.json`.
    ShardIndex,
    /// Another JSON document.
    Json,
    /// gzip.
    Gzip,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// Zstandard.
    Zstandard,
    /// A zip archive, including files of `torch.save` and `.npz`.
    Zip,
    /// A tar archive.
    Tar,
    /// A Python pickle.
    Pickle,
    /// A safetensors file.
    Safetensors,
    /// Parquet.
    Parquet,
    /// A NumPy array.
    Npy,
    /// HDF5, which Keras and MATLAB 7.3 write.
    Hdf5,
    /// A JPEG picture.
    Jpeg,
    /// A PNG picture.
    Png,
    /// A GIF picture.
    Gif,
    /// A WebP picture.
    WebP,
    /// A BMP picture.
    Bmp,
    /// A TIFF picture.
    Tiff,
    /// A HEIC or AVIF picture.
    Heif,
    /// Text of another kind.
    Text,
    /// Anything else.
    Unknown,
}

impl Form {
    /// Recognises a file by its first bytes. A kibibyte is enough.
    pub fn of(head: &[u8]) -> Self {
        let starts = |magic: &[u8]| head.starts_with(magic);
        let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
        match head {
            [] => Self::Empty,
            // A header's length, then the header, which is a JSON object. Before all others, because the length may be any of their
            // first bytes.
            _ if at(8, b"{") && head[4..8] == [0; 4] => Self::Safetensors,
            _ if starts(b"version https://git-lfs") || starts(b"version https://hawser") => Self::GitLfsPointer,
            _ if starts(b"\x1f\x8b") => Self::Gzip,
            _ if starts(b"BZh") => Self::Bzip2,
            _ if starts(b"\xfd7zXZ\0") => Self::Xz,
            _ if starts(b"\x28\xb5\x2f\xfd") => Self::Zstandard,
            _ if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") => Self::Zip,
            _ if at(257, b"ustar") => Self::Tar,
            _ if starts(b"PAR1") => Self::Parquet,
            _ if starts(b"\x93NUMPY") => Self::Npy,
            _ if starts(b"\x89HDF\r\n\x1a\n") => Self::Hdf5,
            _ if starts(b"\xff\xd8\xff") => Self::Jpeg,
            _ if starts(b"\x89PNG\r\n\x1a\n") => Self::Png,
            _ if starts(b"GIF87a") || starts(b"GIF89a") => Self::Gif,
            _ if starts(b"RIFF") && at(8, b"WEBP") => Self::WebP,
            _ if starts(b"II*\0") || starts(b"MM\0*") => Self::Tiff,
            _ if at(4, b"ftyp")
                && [&b"heic"[..], b"heix", b"hevc", b"mif1", b"msf1", b"avif"].iter().any(|b| at(8, b)) =>
            {
                Self::Heif
            }
            // Protocols 2 to 5.
            [0x80, 2..=5, ..] => Self::Pickle,
            // The length of the second header has only a few possible values.
            [b'B', b'M', ..] if matches!(head.get(14..18), Some([12 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0])) => {
                Self::Bmp
            }
            _ => Self::of_text(head),
        }
    }

    fn of_text(head: &[u8]) -> Self {
        let head = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head);
        // The last character may be cut.
        let text = match str::from_utf8(head) {
            Ok(text) => text,
            Err(error) if error.error_len().is_none() => {
                str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
            }
            Err(_) => return Self::Unknown,
        };
        if text.chars().any(|c| c.is_control() && !c.is_whitespace()) {
            return Self::Unknown;
        }
        let begin = text.trim_start();
        let lower: String = begin.chars().take(16).collect::<String>().to_ascii_lowercase();
        if ["<!doctype", "<html", "<head", "<body", "<?xml"].iter().any(|tag| lower.starts_with(tag)) {
            Self::Html
        } else if begin.starts_with('{') && (begin.contains("\"weight_map\"") || begin.contains("\"total_size\"")) {
            Self::ShardIndex
        } else if is_json(begin) {
            Self::Json
        } else {
            Self::Text
        }
    }

    /// What the user can do if a file of this form stands in place of another. `None` if there is no general advice.
    pub fn advice(self) -> Option<&'static str> {
        Some(match self {
            Self::Empty => "the download or the copy failed; fetch the file again",
            Self::GitLfsPointer => "the content was not fetched; run `git lfs pull` where the file came from",
            Self::Html => "the download met an error page or a login; fetch the file again",
            Self::Gzip => "unpack it with `gunzip`",
            Self::Bzip2 => "unpack it with `bunzip2`",
            Self::Xz => "unpack it with `unxz`",
            Self::Zstandard => "unpack it with `unzstd`",
            Self::Tar => "unpack it with `tar -xf`",
            _ => return None,
        })
    }
}

/// Whether a text begins as a JSON object or list does. A table of TOML begins with brackets too.
fn is_json(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix('{') {
        let rest = rest.trim_start();
        return rest.is_empty() || rest.starts_with(['"', '}']);
    }
    let value = text.trim_start_matches(|c: char| c == '[' || c.is_whitespace());
    let begins = |c: char| c.is_ascii_digit() || "\"-{]".contains(c);
    text.starts_with('[')
        && (value.is_empty()
            || value.starts_with(begins)
            || ["true", "false", "null"].iter().any(|word| value.starts_with(word)))
}

/// With the article, as in "the file is a tar archive".
impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "an empty file",
            Self::GitLfsPointer => "a Git LFS pointer",
            Self::Html => "a web page",
            Self::ShardIndex => "an index of safetensors shards",
            Self::Json => "a JSON document",
            Self::Gzip => "packed by gzip",
            Self::Bzip2 => "packed by bzip2",
            Self::Xz => "packed by xz",
            Self::Zstandard => "packed by Zstandard",
            Self::Zip => "a zip archive",
            Self::Tar => "a tar archive",
            Self::Pickle => "a Python pickle",
            Self::Safetensors => "a safetensors file",
            Self::Parquet => "a parquet file",
            Self::Npy => "a NumPy array",
            Self::Hdf5 => "an HDF5 file",
            Self::Jpeg => "a JPEG picture",
            Self::Png => "a PNG picture",
            Self::Gif => "a GIF picture",
            Self::WebP => "a WebP picture",
            Self::Bmp => "a BMP picture",
            Self::Tiff => "a TIFF picture",
            Self::Heif => "a HEIC or AVIF picture",
            Self::Text => "a text file",
            Self::Unknown => "a file of unknown form",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_first_bytes() {
        let mut tar = vec![0; 512];
        tar[..5].copy_from_slice(b"a.txt");
        tar[257..262].copy_from_slice(b"ustar");
        let mut safetensors = 16u64.to_le_bytes().to_vec();
        safetensors.extend(b"{\"__metadata__\":{}}");
        for (head, form) in [
            (&b""[..], Form::Empty),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", Form::GitLfsPointer),
            (b"\n<!DOCTYPE html><html>", Form::Html),
            (b"<HTML>", Form::Html),
            (b"{\"metadata\": {\"total_size\": 3}, \"weight_map\": {}}", Form::ShardIndex),
            ("\u{feff}{\"id\": 1}".as_bytes(), Form::Json),
            (b"\x1f\x8b\x08\0", Form::Gzip),
            (b"BZh91AY", Form::Bzip2),
            (b"\xfd7zXZ\0\0", Form::Xz),
            (b"\x28\xb5\x2f\xfd\0", Form::Zstandard),
            (b"PK\x03\x04", Form::Zip),
            (&tar, Form::Tar),
            (b"\x80\x02}q", Form::Pickle),
            (&safetensors, Form::Safetensors),
            (b"\x1f\x8b\0\0\0\0\0\0{\"a\":", Form::Safetensors),
            (b"PK\x03\0\0\0\0\0{\"a\":", Form::Safetensors),
            (b"PAR1", Form::Parquet),
            (b"\x93NUMPY\x01\0", Form::Npy),
            (b"\xff\xd8\xff\xe0", Form::Jpeg),
            (b"\x89PNG\r\n\x1a\n", Form::Png),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Form::WebP),
            (b"BM\x9a\0\0\0\0\0\0\0\x8a\0\0\0\x7c\0\0\0", Form::Bmp),
            (b"BM, the maker of cars", Form::Text),
            (b"\0\0\0\x18ftypheic", Form::Heif),
            (b"17\n18\n", Form::Text),
            (b"[suite]\nname = \"a\"\n", Form::Text),
            (b"[[prune]]\n", Form::Text),
            (b"[1, 2]", Form::Json),
            (b"[\n  true]", Form::Json),
            ("17 \u{fc}".as_bytes().split_last().unwrap().1, Form::Text),
            (b"\0\x01\x02", Form::Unknown),
            (b"\xff\xff", Form::Unknown),
        ] {
            assert_eq!(Form::of(head), form, "{}", head.escape_ascii());
        }
    }
}
