//! The example catalogue, compiled into the binary, so that it works with nothing else at hand.

use headgate_schemas::registry::{LoadErrors, Registry};
use include_dir::{Dir, File, include_dir};

static CATALOGUE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/schemas/events");

/// Loads the catalogue.
///
/// # Errors
/// What is wrong with it: a defect of the build.
pub(super) fn load() -> Result<Registry, LoadErrors> {
    let mut files = Vec::new();
    collect(&CATALOGUE, &mut files);
    let schemas = files
        .iter()
        .filter(|file| file.path().extension().is_some_and(|kind| kind == "json"));
    Registry::from_files(schemas.map(|file| (file.path(), file.contents())))
}

fn collect(dir: &'static Dir<'static>, files: &mut Vec<&'static File<'static>>) {
    files.extend(dir.files());
    dir.dirs().for_each(|dir| collect(dir, files));
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_catalogue_in_the_binary_is_the_one_in_the_directory() {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/events");
        let from_directory = headgate_schemas::registry::Registry::load(&dir).expect("valid");
        let built_in = super::load().expect("valid");
        assert_eq!(built_in.fingerprint(), from_directory.fingerprint());
        assert!(built_in.schemas().count() > 10);
    }
}
